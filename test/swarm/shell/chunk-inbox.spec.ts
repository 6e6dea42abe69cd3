import assert from 'node:assert/strict';
import { ShoalError } from '../../../src/errors.ts';
import { ChunkInbox } from '../../../src/swarm/chunk-inbox.ts';

/** Asset 7 behind slot 1 has three chunks of 10 bytes; asset 8 behind slot 2 was left. */
function world(expected: readonly number[]) {
  const log: string[] = [];
  const inbox = new ChunkInbox({
    assetOf: (slot) => {
      if (slot === 1) return { key: 7, sizeOf: (chunk) => (chunk < 3 ? 10 : undefined) };
      return slot === 2 ? { key: 8, sizeOf: undefined } : undefined;
    },
    keeps: (_asset, chunk) => expected.includes(chunk),
    take: (size) => new Uint8Array(size).fill(0xee),
    give: ({ byteLength }) => void log.push(`gave ${byteLength} back`),
    onBytes: (asset, chunk, bytes, last) => void log.push(`${asset}/${chunk} ${bytes}${last ? ' last' : ''}`),
    onChunk: (asset, chunk, bytes) => void log.push(`${asset}/${chunk} = ${[...bytes].join('')}`),
    onLost: (asset, chunk) => void log.push(`${asset}/${chunk} lost`),
  });
  const frame = (slot: number, chunk: number, offset: number, payload: readonly number[]): void => {
    inbox.begin({ slot, chunk, offset, length: payload.length });
    if (payload.length > 0) inbox.payload(Uint8Array.from(payload));
    inbox.end();
  };
  return { inbox, log, frame };
}

const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

function isBadData(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'ERR_PEER_BAD_DATA' && error.fault === 'peer';
}

describe('chunk inbox', () => {
  it('puts a chunk together from frames and pieces', () => {
    const { inbox, log, frame } = world([0]);
    frame(1, 0, 0, DIGITS.slice(0, 4));
    inbox.begin({ slot: 1, chunk: 0, offset: 4, length: 6 });
    inbox.payload(Uint8Array.from(DIGITS.slice(4, 9)));
    inbox.payload(Uint8Array.from(DIGITS.slice(9)));
    inbox.end();
    assert.deepEqual(log, ['7/0 4', '7/0 6 last', '7/0 = 0123456789']);
  });

  it('tells of what comes of a large chunk before its frame is whole', () => {
    const told: string[] = [];
    const inbox = new ChunkInbox({
      assetOf: () => ({ key: 7, sizeOf: () => 150_000 }),
      keeps: () => true,
      take: (size) => new Uint8Array(size),
      give: () => {},
      onBytes: (_asset, _chunk, bytes, last) => void told.push(`${bytes}${last ? ' last' : ''}`),
      onChunk: () => void told.push('whole'),
      onLost: () => void told.push('lost'),
    });
    inbox.begin({ slot: 1, chunk: 0, offset: 0, length: 150_000 });
    for (let n = 0; n < 15; n++) inbox.payload(new Uint8Array(10_000));
    inbox.end();
    assert.deepEqual(told, ['70000', '70000', '10000 last', 'whole']);
  });

  it('counts and drops a chunk that nobody asked for', () => {
    const { log, frame } = world([]);
    frame(1, 2, 0, DIGITS);
    assert.deepEqual(log, ['7/2 10 last']);
  });

  it('tells that it dropped a chunk whose beginning came before it was asked for again', () => {
    const expected: number[] = [];
    const { log, frame } = world(expected);
    frame(1, 2, 0, DIGITS.slice(0, 4));
    expected.push(2);
    frame(1, 2, 4, DIGITS.slice(4));
    frame(1, 2, 0, DIGITS);
    assert.deepEqual(log, ['7/2 4', '7/2 6 last', '7/2 lost', '7/2 10 last', '7/2 = 0123456789']);
  });

  it('gives the memory back of a chunk that is not kept after all, and of one that a link ends in', () => {
    const expected = [0, 1];
    const { inbox, log, frame } = world(expected);
    frame(1, 0, 0, DIGITS.slice(0, 4));
    expected.shift();
    frame(1, 0, 4, DIGITS.slice(4));
    frame(1, 1, 0, DIGITS.slice(0, 4));
    inbox.stop();
    // The rest of a piece that had come already.
    frame(1, 1, 4, DIGITS.slice(4));
    assert.deepEqual(log, ['7/0 4', '7/0 6 last', 'gave 10 back', '7/1 4', 'gave 10 back']);
  });

  it('counts, frame by frame, what comes of an asset that was left', () => {
    const { log, frame } = world([0]);
    frame(2, 5, 0, DIGITS);
    frame(2, 5, 10, DIGITS);
    assert.deepEqual(log, ['8/5 10', '8/5 10']);
  });

  it('drops the rest of a chunk that began when the asset was left, though it is joined again', () => {
    const log: string[] = [];
    let isJoined = false;
    const inbox = new ChunkInbox({
      assetOf: () => ({ key: 7, sizeOf: isJoined ? () => 10 : undefined }),
      keeps: (_asset, chunk) => chunk === 1,
      take: (size) => new Uint8Array(size),
      give: () => {},
      onBytes: (asset, chunk, bytes, last) =>
        void log.push(`${asset}/${chunk} ${bytes}${last ? ' last' : ''}`),
      onChunk: (asset, chunk) => void log.push(`${asset}/${chunk} whole`),
      onLost: (asset, chunk) => void log.push(`${asset}/${chunk} lost`),
    });
    const frame = (chunk: number, offset: number, length: number): void => {
      inbox.begin({ slot: 1, chunk, offset, length });
      inbox.payload(new Uint8Array(length));
      inbox.end();
    };
    frame(0, 0, 4);
    isJoined = true;
    frame(0, 4, 4);
    frame(0, 8, 2);
    frame(1, 0, 10);
    assert.deepEqual(log, ['7/0 4', '7/0 4', '7/0 2 last', '7/1 10 last', '7/1 whole']);
    assert.throws(() => frame(0, 4, 4), isBadData);
  });

  const wrong: [string, (w: ReturnType<typeof world>) => void][] = [
    ['a slot that was never named', ({ frame }) => frame(3, 0, 0, DIGITS)],
    ['a chunk that the asset does not have', ({ frame }) => frame(1, 3, 0, DIGITS)],
    ['more than the chunk', ({ frame }) => frame(1, 0, 0, [...DIGITS, 0])],
    ['a chunk that begins in its middle', ({ frame }) => frame(1, 0, 5, DIGITS.slice(5))],
    [
      'a second chunk before the first is whole',
      ({ frame }) => {
        frame(1, 0, 0, [1]);
        frame(1, 1, 0, DIGITS);
      },
    ],
    [
      'the same bytes twice',
      ({ frame }) => {
        frame(1, 0, 0, [1]);
        frame(1, 0, 0, [1]);
      },
    ],
  ];
  for (const [what, act] of wrong) {
    it(`refuses ${what}`, () => {
      assert.throws(() => act(world([0, 1])), isBadData);
    });
  }
});
