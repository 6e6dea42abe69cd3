import assert from 'node:assert/strict';
import { readAhead, type OpenPart } from '../../src/media/read-ahead.ts';

/** A file whose byte `n` is `n`, given ten bytes at a time; it notes what was opened and what was closed. */
function countingFile() {
  const opened: string[] = [];
  const closed: string[] = [];
  const open: OpenPart = async function* (offset, length, signal) {
    const part = `${offset}+${length}`;
    opened.push(part);
    try {
      for (let at = offset; at < offset + length; at += 10) {
        signal.throwIfAborted();
        const size = Math.min(10, offset + length - at);
        yield Uint8Array.from({ length: size }, (_, index) => at + index);
      }
    } finally {
      closed.push(part);
    }
  };
  return { opened, closed, open };
}

describe('reading ahead', () => {
  it('reads a range through windows that end where multiples of their size do', async () => {
    const { opened, closed, open } = countingFile();
    const bytes: number[] = [];
    for await (const piece of readAhead(open, 25, 100, new AbortController().signal, 40))
      bytes.push(...piece);
    assert.deepEqual(
      bytes,
      Array.from({ length: 100 }, (_, index) => 25 + index),
    );
    assert.deepEqual(opened, ['25+15', '40+40', '80+40', '120+5']);
    assert.deepEqual(closed, opened);
  });

  it('opens the next window when half of one has been read, and no sooner', async () => {
    const { opened, open } = countingFile();
    const pieces = readAhead(open, 0, 200, new AbortController().signal, 40);
    await pieces.next();
    assert.deepEqual(opened, ['0+40']);
    await pieces.next();
    assert.deepEqual(opened, ['0+40', '40+40']);
    for (let read = 0; read < 3; read++) await pieces.next();
    assert.deepEqual(opened, ['0+40', '40+40']);
    await pieces.return();
  });

  it('closes all that it opened when its reader stops', async () => {
    const { opened, closed, open } = countingFile();
    for await (const piece of readAhead(open, 0, 200, new AbortController().signal, 40))
      if (piece[0] === 10) break;
    assert.deepEqual(closed.sort(), opened.sort());
    assert.equal(opened.length, 2);
  });

  it('passes on what a window failed with, when the reader gets there', async () => {
    const { open } = countingFile();
    const failing: OpenPart = async function* (offset, length, signal) {
      if (offset > 0) throw new Error('gone');
      yield* open(offset, length, signal);
    };
    let read = 0;
    await assert.rejects(async () => {
      for await (const piece of readAhead(failing, 0, 80, new AbortController().signal, 40))
        read += piece.byteLength;
    }, /gone/);
    assert.equal(read, 40);
  });
});
