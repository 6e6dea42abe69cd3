import assert from 'node:assert/strict';
import { writeFile } from '../../src/browser-node/write-file.ts';

async function* pieces(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(1000).fill(i);
}

/** A stream that takes so many pieces, and then waits for ever. */
function stuckAfter(count: number) {
  const stuck = Promise.withResolvers<void>();
  let taken = 0;
  const stream = new WritableStream<Uint8Array>({
    write: () => {
      if (++taken <= count) return undefined;
      stuck.resolve();
      return new Promise<void>(() => {});
    },
  });
  return { stream, stuck: stuck.promise };
}

describe('a stream that a page saves to', () => {
  it('gets all pieces, and its end', async () => {
    const got: number[] = [];
    let isClosed = false;
    const stream = new WritableStream<Uint8Array>({
      write: (piece) => void got.push(piece[0] ?? -1),
      close: () => void (isClosed = true),
    });
    let bytes = 0;
    await writeFile(stream, 'the stream', pieces(3), (more) => (bytes += more), new AbortController().signal);
    assert.deepEqual([got, isClosed, bytes], [[0, 1, 2], true, 3000]);
  });

  it('is left when the save is ended, though it takes nothing', async () => {
    const { stream, stuck } = stuckAfter(1);
    const end = new AbortController();
    const reason = new Error('cancelled by the person');
    let bytes = 0;
    const saving = writeFile(stream, 'the stream', pieces(5), (more) => (bytes += more), end.signal);
    await stuck;
    end.abort(reason);
    await assert.rejects(saving, reason);
    assert.equal(bytes, 1000);
    await assert.rejects(
      writeFile(stuckAfter(9).stream, 'the stream', pieces(1), () => {}, end.signal),
      reason,
    );
  });

  it('that fails of its own, for whatever reason or none, is not taken for a file that fails', async () => {
    for (const reason of [new TypeError('closed'), new DOMException('left', 'AbortError'), undefined]) {
      const failing = new WritableStream<Uint8Array>({ write: () => Promise.reject(reason) });
      const saving = writeFile(failing, 'the stream', pieces(2), () => {});
      const message = `the stream took no more: ${String(reason)}`;
      await assert.rejects(saving, { code: 'ERR_IO', message });
    }
    const full = new WritableStream<Uint8Array>({
      write: () => Promise.reject(new DOMException('full', 'QuotaExceededError')),
    });
    const saving = writeFile(full, 'the stream', pieces(2), () => {});
    await assert.rejects(saving, { code: 'ERR_DISK_FULL' });
  });
});
