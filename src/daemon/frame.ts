import { ShoalError } from '../index.ts';

/** What one frame on the control socket carries: a JSON value, or raw bytes of content. */
export type Frame = { type: 'json'; value: unknown } | { type: 'bytes'; bytes: Uint8Array };

/** Type byte and length. */
const HEADER_BYTES = 5;

/**
 * Longest JSON frame. The largest is a request that names what a shell made of `*`: up to 2 MiB of arguments (on Linux), each
 * of which becomes an absolute path.
 */
export const MAX_JSON_BYTES = 1 << 24;

/** Longest bytes frame: one chunk of the largest size. Longer content is cut into several. */
export const MAX_BYTES_FRAME = 1 << 20;

const JSON_TYPE = 'j'.charCodeAt(0);
const BYTES_TYPE = 'b'.charCodeAt(0);

/** Writes a JSON frame: `j`, the length as u32 big-endian, UTF-8 text. */
export function encodeJson(value: unknown): Uint8Array {
  const body = Buffer.from(JSON.stringify(value));
  if (body.length > MAX_JSON_BYTES) {
    throw new ShoalError(
      'ERR_CONTROL_FRAME_TOO_LARGE',
      `a control message of ${body.length} bytes is over the limit of ${MAX_JSON_BYTES}`,
    );
  }
  return Buffer.concat([header(JSON_TYPE, body.length), body]);
}

/** Writes content as `b` frames of at most {@link MAX_BYTES_FRAME} each; the content itself is not copied. */
export function* encodeBytes(bytes: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += MAX_BYTES_FRAME) {
    const part = bytes.subarray(offset, offset + MAX_BYTES_FRAME);
    yield header(BYTES_TYPE, part.length);
    yield part;
  }
}

/**
 * Cuts a byte stream into frames. A length is checked before anything is gathered for it, so that a broken or
 * hostile writer costs at most one frame of memory.
 *
 * @throws ERR_CONTROL_PROTOCOL on an unknown type, a length over the limit, bad JSON, or an end inside a frame
 */
export async function* readFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const pending = new PendingBytes();
  for await (const piece of source) {
    pending.add(piece);
    for (let frame = takeFrame(pending); frame !== undefined; frame = takeFrame(pending)) yield frame;
  }
  if (pending.length > 0) throw broken('the connection ended inside a message');
}

function takeFrame(pending: PendingBytes): Frame | undefined {
  if (pending.length < HEADER_BYTES) return undefined;
  const head = pending.peek(HEADER_BYTES);
  const type = head[0];
  const length = head.readUInt32BE(1);
  if (type !== JSON_TYPE && type !== BYTES_TYPE) throw broken(`unknown message type ${String(type)}`);
  const limit = type === JSON_TYPE ? MAX_JSON_BYTES : MAX_BYTES_FRAME;
  if (length > limit) throw broken(`a message of ${length} bytes is over the limit of ${limit}`);
  if (pending.length < HEADER_BYTES + length) return undefined;
  const body = pending.take(HEADER_BYTES + length).subarray(HEADER_BYTES);
  return type === BYTES_TYPE ? { type: 'bytes', bytes: body } : { type: 'json', value: parseJson(body) };
}

/** Pieces waiting to become a frame, joined once per frame and not once per piece. */
class PendingBytes {
  #pieces: Uint8Array[] = [];
  length = 0;

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  /** The first `count` bytes, which stay. */
  peek(count: number): Buffer {
    const first = this.#pieces[0];
    if (first !== undefined && first.length >= count) return asBuffer(first).subarray(0, count);
    return this.#join().subarray(0, count);
  }

  /** The first `count` bytes, removed. */
  take(count: number): Buffer {
    const first = this.#pieces[0];
    const joined = first !== undefined && first.length >= count ? asBuffer(first) : this.#join();
    const rest = joined.subarray(count);
    this.#pieces.shift();
    if (rest.length > 0) this.#pieces.unshift(rest);
    this.length -= count;
    return joined.subarray(0, count);
  }

  #join(): Buffer {
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}

function header(type: number, length: number): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head[0] = type;
  head.writeUInt32BE(length, 1);
  return head;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw broken('a message is not valid JSON', cause);
  }
}

function broken(what: string, cause?: unknown): ShoalError {
  return new ShoalError(
    'ERR_CONTROL_PROTOCOL',
    `the control socket of the data folder got something unreadable: ${what}`,
    { cause },
  );
}
