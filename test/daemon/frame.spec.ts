import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  encodeBytes,
  encodeJson,
  MAX_BYTES_FRAME,
  MAX_JSON_BYTES,
  readFrames,
  type Frame,
} from '../../src/daemon/frame.ts';

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function readAll(bytes: Uint8Array, sizes = [bytes.length || 1]): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of readFrames(inPieces(bytes, sizes))) frames.push(frame);
  return frames;
}

describe('frames on the control socket', () => {
  it('come out as they went in, however the stream is cut', async () => {
    const frame = fc.oneof(fc.jsonValue(), fc.uint8Array({ minLength: 1, maxLength: 100 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        async (frames, sizes) => {
          const encoded = Buffer.concat(
            frames.flatMap((value) =>
              value instanceof Uint8Array ? [...encodeBytes(value)] : [encodeJson(value)],
            ),
          );
          const expected = frames.map((value): Frame =>
            value instanceof Uint8Array
              ? { type: 'bytes', bytes: Buffer.from(value) }
              : { type: 'json', value: JSON.parse(JSON.stringify(value)) },
          );
          assert.deepEqual(await readAll(encoded, sizes), expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('cut long content into several', async () => {
    const content = Buffer.alloc(MAX_BYTES_FRAME * 2 + 5, 7);
    const frames = await readAll(Buffer.concat([...encodeBytes(content)]));
    assert.deepEqual(
      frames.map((frame) => (frame.type === 'bytes' ? frame.bytes.length : 0)),
      [MAX_BYTES_FRAME, MAX_BYTES_FRAME, 5],
    );
  });

  it('are refused where their length is over the limit, before anything is gathered', async () => {
    const head = Buffer.from([106, 0, 0, 0, 0]);
    head.writeUInt32BE(MAX_JSON_BYTES + 1, 1);
    await assert.rejects(readAll(head), { code: 'ERR_CONTROL_PROTOCOL' });
    assert.throws(() => encodeJson('x'.repeat(MAX_JSON_BYTES)), { code: 'ERR_CONTROL_FRAME_TOO_LARGE' });
  });

  it('are refused where they are of an unknown type, not JSON, or broken off', async () => {
    await assert.rejects(readAll(Buffer.from([120, 0, 0, 0, 0])), { code: 'ERR_CONTROL_PROTOCOL' });
    await assert.rejects(readAll(Buffer.from([106, 0, 0, 0, 1, 123])), { code: 'ERR_CONTROL_PROTOCOL' });
    await assert.rejects(readAll(Buffer.from([106, 0, 0, 0, 9, 123])), { code: 'ERR_CONTROL_PROTOCOL' });
  });
});
