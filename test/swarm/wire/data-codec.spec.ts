import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ShoalError } from '../../../src/errors.ts';
import {
  DataDecoder,
  encodeAttach,
  encodeDataHeader,
  type DataHeader,
} from '../../../src/swarm/wire/data-codec.ts';
import * as limit from '../../../src/swarm/wire/limits.ts';
import { ProtoWriter } from '../../../src/integrity/proto-writer.ts';

interface Frame {
  header: DataHeader;
  payload: number[];
  ended: boolean;
}

/** Gathers what a decoder hands through. */
function recorder() {
  const frames: Frame[] = [];
  const links: number[] = [];
  const decoder = new DataDecoder({
    attach: (link) => void links.push(link),
    begin: (header) => void frames.push({ header, payload: [], ended: false }),
    payload: (bytes) => void frames.at(-1)?.payload.push(...bytes),
    end: () => void Object.assign(frames.at(-1) as Frame, { ended: true }),
  });
  return { frames, links, decoder };
}

function pushCut(decoder: DataDecoder, stream: Uint8Array, cuts: readonly number[]): void {
  const ends = [...cuts.map((cut) => cut % (stream.byteLength + 1)), stream.byteLength].sort((a, b) => a - b);
  let pos = 0;
  for (const end of ends) {
    decoder.push(stream.slice(pos, end));
    pos = end;
  }
}

function headerOf(fields: readonly [number, number][]): Uint8Array {
  const out = new ProtoWriter();
  for (const [field, value] of fields) out.uint(field, value);
  const body = out.finish();
  return Uint8Array.of(body.byteLength, ...body);
}

const frame = fc.record({
  slot: fc.nat(0xffff_ffff),
  chunk: fc.nat(limit.MAX_CHUNKS - 1),
  offset: fc.nat(limit.MAX_PAYLOAD_BYTES),
  payload: fc.uint8Array({ maxLength: 100 }),
});

function isBadFrame(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'ERR_PEER_BAD_FRAME';
}

describe('data codec', () => {
  it('hands every frame through, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (frames, cuts) => {
          const { decoder, ...seen } = recorder();
          const stream = Buffer.concat([
            encodeAttach(77),
            ...frames.flatMap(({ payload, ...place }) => [
              encodeDataHeader({ ...place, length: payload.byteLength }),
              payload,
            ]),
          ]);
          pushCut(decoder, stream, cuts);
          assert.deepEqual(seen.links, [77]);
          assert.deepEqual(
            seen.frames,
            frames.map(({ payload, ...place }) => ({
              header: { ...place, length: payload.byteLength },
              payload: [...payload],
              ended: true,
            })),
          );
        },
      ),
    );
  });

  it('answers random bytes with frames or ERR_PEER_BAD_FRAME', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 4 }), (junk, cuts) => {
        try {
          pushCut(recorder().decoder, junk, cuts);
        } catch (error) {
          assert.ok(isBadFrame(error), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('skips a frame of an unknown kind with its payload, and unknown fields', () => {
    const { decoder, frames } = recorder();
    decoder.push(headerOf([[1, 9], [5, 3]])); // prettier-ignore
    decoder.push(Uint8Array.of(1, 2, 3));
    decoder.push(headerOf([[2, 6], [5, 1], [12, 99]])); // prettier-ignore
    decoder.push(Uint8Array.of(42));
    assert.deepEqual(frames, [
      { header: { slot: 6, chunk: 0, offset: 0, length: 1 }, payload: [42], ended: true },
    ]);
  });

  it('ends a frame without payload at once: the chunk of an empty leaf', () => {
    const { decoder, frames } = recorder();
    decoder.push(encodeDataHeader({ slot: 1, chunk: 2, offset: 0, length: 0 }));
    assert.equal(frames[0]?.ended, true);
  });

  it('refuses more payload than the largest chunk, and chunks beyond any asset', () => {
    const tooLong = encodeDataHeader({ slot: 1, chunk: 2, offset: 0, length: limit.MAX_PAYLOAD_BYTES + 1 });
    assert.throws(() => recorder().decoder.push(tooLong), isBadFrame);
    const beyond = encodeDataHeader({ slot: 1, chunk: limit.MAX_CHUNKS, offset: 0, length: 1 });
    assert.throws(() => recorder().decoder.push(beyond), isBadFrame);
    assert.throws(() => recorder().decoder.push(Uint8Array.of(0xff, 0x7f)), isBadFrame);
  });
});
