import { ShoalError } from '../../errors.ts';
import { ProtoReader } from '../../integrity/proto-reader.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { MAX_CHUNKS, MAX_DATA_HEADER_BYTES, MAX_PAYLOAD_BYTES } from './limits.ts';
import { ProtoWriter } from '../../integrity/proto-writer.ts';
import { badFrame } from './wire-error.ts';

/** Kinds of frames on the data stream; others are skipped with their payload. */
const DATA = 0;
const ATTACH = 1;

/** The header of a DATA frame: which bytes of which chunk follow. */
export interface DataHeader {
  /** The sender's number for the root. */
  slot: number;
  chunk: number;
  /** Where in the chunk the payload begins, bytes. */
  offset: number;
  /** Bytes of payload that follow. */
  length: number;
}

/** Receives what a {@link DataDecoder} finds. What it throws ends the stream. */
export interface DataSink {
  /** The opener names the link that this data stream belongs to. */
  attach(link: number): void;
  /** A DATA frame begins. */
  begin(header: DataHeader): void;
  /** The next bytes of its payload: a view, to be copied before the call returns. */
  payload(bytes: Uint8Array): void;
  /** The frame's payload is complete. */
  end(): void;
}

/** The prefixed header of a DATA frame; `length` raw bytes must follow it. */
export function encodeDataHeader(header: DataHeader): Uint8Array {
  const out = new ProtoWriter(40).uint(2, header.slot).uint(3, header.chunk).uint(4, header.offset);
  return prefixed(out.uint(5, header.length).finish());
}

/** The first frame on a data stream, from its opener. */
export function encodeAttach(link: number): Uint8Array {
  return prefixed(new ProtoWriter(16).uint(1, ATTACH).uint(6, link).finish());
}

function prefixed(header: Uint8Array): Uint8Array {
  const frame = new Uint8Array(1 + header.byteLength);
  frame[0] = header.byteLength;
  frame.set(header, 1);
  return frame;
}

/** Decodes a data stream piece by piece; payload is handed through, never gathered. */
export class DataDecoder {
  readonly #sink: DataSink;
  readonly #splitter = new FrameSplitter(MAX_DATA_HEADER_BYTES);
  /** Payload bytes still to come, and whether they are of a known frame. */
  #left = 0;
  #isData = false;

  constructor(sink: DataSink) {
    this.#sink = sink;
  }

  /** @throws ERR_PEER_BAD_FRAME, and what the sink throws; the decoder is of no use then */
  push(bytes: Uint8Array): void {
    let pos = 0;
    while (pos < bytes.byteLength) {
      if (this.#left > 0) pos += this.#takePayload(bytes, pos);
      else pos += this.#takeHeader(bytes.subarray(pos));
    }
  }

  #takePayload(bytes: Uint8Array, pos: number): number {
    const take = Math.min(this.#left, bytes.byteLength - pos);
    this.#left -= take;
    if (this.#isData) {
      this.#sink.payload(bytes.subarray(pos, pos + take));
      if (this.#left === 0) this.#sink.end();
    }
    return take;
  }

  /** @returns bytes used: headers are short, so they are fed byte by byte up to the header's end */
  #takeHeader(bytes: Uint8Array): number {
    let used = 0;
    let isWhole = false;
    while (!isWhole && used < bytes.byteLength) {
      this.#splitter.push(bytes.subarray(used, used + 1), (header) => {
        isWhole = true;
        this.#handleHeader(header);
      });
      used++;
    }
    return used;
  }

  #handleHeader(bytes: Uint8Array): void {
    const { kind, link, ...header } = decodeHeader(bytes);
    if (header.length > MAX_PAYLOAD_BYTES) {
      throw badFrame(
        `${header.length} bytes of data in a frame where at most ${MAX_PAYLOAD_BYTES} are allowed`,
      );
    }
    this.#left = header.length;
    this.#isData = kind === DATA;
    if (kind === ATTACH) this.#sink.attach(link);
    if (kind !== DATA) return;
    if (header.chunk >= MAX_CHUNKS) throw badFrame(`data of chunk ${header.chunk}, which no asset has`);
    this.#sink.begin(header);
    if (header.length === 0) this.#sink.end();
  }
}

/** Fields 1 to 6: kind, slot, chunk, offset, length, link. */
function decodeHeader(bytes: Uint8Array): DataHeader & { kind: number; link: number } {
  const values = [0, 0, 0, 0, 0, 0, 0];
  try {
    const reader = new ProtoReader(bytes);
    while (!reader.ended) {
      const { field, wire } = reader.tag();
      if (wire === 0 && field > 0 && field < values.length) values[field] = reader.varint();
      else reader.skip(wire);
    }
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause;
    throw badFrame(`a data header that cannot be read (${(cause as Error).message})`, cause);
  }
  const [, kind, slot, chunk, offset, length, link] = values as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { kind, slot, chunk, offset, length, link };
}
