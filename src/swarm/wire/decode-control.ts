import { ShoalError } from '../../errors.ts';
import { ProtoReader } from '../../integrity/proto-reader.ts';
import type { ChunkRun, Contact, Have } from '../core/messages.ts';
import type { ControlMessage } from './control-message.ts';
import { DECLINE_REASONS, HAVE_KINDS, KINDS, REJECT_REASONS } from './control-schema.ts';
import * as limit from './limits.ts';
import { badFrame } from './wire-error.ts';

const NOTHING = new Uint8Array(0);
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes one control frame, without its length prefix. Unknown fields are skipped.
 *
 * @param frame read in place; what the result keeps (bitfields, CIDs, nodes) is copied out of it
 * @returns the message, or undefined where it is of a kind this version does not know
 * @throws ERR_PEER_BAD_FRAME
 */
export function decodeControl(frame: Uint8Array): ControlMessage | undefined {
  try {
    const reader = new ProtoReader(frame);
    let message: ControlMessage | undefined;
    while (!reader.ended) {
      const { field, wire } = reader.tag();
      const decode = wire === 2 ? DECODERS.get(field) : undefined;
      if (decode) message = decode(fieldsOf(reader.bytes()));
      else reader.skip(wire);
    }
    return message;
  } catch (cause) {
    if (cause instanceof ShoalError) throw cause;
    throw badFrame(`a control message that cannot be read (${(cause as Error).message})`, cause);
  }
}

/** The fields of one message: the last number of each, and all byte fields in order. */
interface Fields {
  uint(field: number, max: number): number;
  bytes(field: number, maxBytes: number): Uint8Array | undefined;
  list(field: number, maxCount: number, maxBytes: number): readonly Uint8Array[];
}

/** Repeated fields kept of any one message. Every list's own limit is smaller; more is junk. */
const MAX_FIELDS = 128;

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new ProtoReader(bytes);
  const numbers = new Map<number, number>();
  const blocks: { field: number; bytes: Uint8Array }[] = [];
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    // Only small field numbers are defined; skipping the others keeps a hostile message from filling the map.
    if (field === 0 || field > 15) reader.skip(wire);
    else if (wire === 0) numbers.set(field, reader.varint());
    else if (wire === 2) {
      if (blocks.length >= MAX_FIELDS) throw badFrame('a message with too many fields');
      blocks.push({ field, bytes: reader.bytes() });
    } else reader.skip(wire);
  }
  const list = (field: number, maxCount: number, maxBytes: number): Uint8Array[] => {
    const found = blocks.filter((block) => block.field === field).map((block) => block.bytes);
    if (found.length > maxCount) throw badFrame(`a list of ${found.length} where ${maxCount} are allowed`);
    for (const { byteLength } of found) {
      if (byteLength > maxBytes)
        throw badFrame(`a field of ${byteLength} bytes where ${maxBytes} are allowed`);
    }
    return found;
  };
  return {
    list,
    bytes: (field, maxBytes) => list(field, MAX_FIELDS, maxBytes).at(-1),
    uint: (field, max) => {
      const value = numbers.get(field) ?? 0;
      if (value > max) throw badFrame(`the number ${value} where at most ${max} is allowed`);
      return value;
    },
  };
}

const U32 = 0xffff_ffff;
const ANY = Number.MAX_SAFE_INTEGER;

const DECODERS: ReadonlyMap<number, (fields: Fields) => ControlMessage> = new Map([
  [
    KINDS.hello,
    (f) => ({
      type: 'hello',
      version: f.uint(1, U32),
      features: f.list(2, limit.MAX_FEATURES, limit.MAX_FEATURE_BYTES).map(text),
      limits: { controlFrameBytes: f.uint(3, ANY), chunkBytes: f.uint(4, ANY) },
      instance: exactly(f.bytes(5, limit.INSTANCE_BYTES), limit.INSTANCE_BYTES),
      link: f.uint(6, U32),
    }),
  ],
  [
    KINDS.join,
    (f) => ({
      type: 'join',
      slot: f.uint(1, U32),
      root: cid(f, 2),
      have: have(f),
      reply: f.uint(5, 1) === 1,
    }),
  ],
  [KINDS.leave, (f) => ({ type: 'leave', slot: f.uint(1, U32) })],
  [
    KINDS.nodes,
    (f) => ({
      type: 'nodes',
      slot: f.uint(1, U32),
      cids: f.list(2, limit.MAX_NODES_PER_REQUEST, limit.MAX_CID_BYTES).map(copy),
    }),
  ],
  [KINDS.node, node],
  [KINDS.grant, grant],
  [
    KINDS.decline,
    (f) => ({
      type: 'decline',
      grant: f.uint(1, U32),
      bytes: f.uint(2, ANY),
      reason: oneOf(DECLINE_REASONS, f, 3),
    }),
  ],
  [KINDS.have, (f) => ({ type: 'have', slot: f.uint(1, U32), chunks: unpackGaps(packed(f, 2)) })],
  [
    KINDS.request,
    (f) => ({ type: 'request', grant: f.uint(1, U32), slot: f.uint(2, U32), runs: unpackRuns(packed(f, 3)) }),
  ],
  [KINDS.cancel, (f) => ({ type: 'cancel', slot: f.uint(1, U32), chunk: f.uint(2, limit.MAX_CHUNKS - 1) })],
  [
    KINDS.reject,
    (f) => ({
      type: 'reject',
      slot: f.uint(1, U32),
      chunk: f.uint(2, limit.MAX_CHUNKS - 1),
      reason: oneOf(REJECT_REASONS, f, 3),
    }),
  ],
  [KINDS.ack, ack],
  [
    KINDS.peers,
    (f) => ({
      type: 'peers',
      slot: f.uint(1, U32),
      contacts: f.list(2, limit.MAX_CONTACTS, limit.MAX_CONTROL_FRAME_BYTES).map(contact),
      progress: f.uint(3, 1_000_000) / 1_000_000,
    }),
  ],
  [KINDS.ping, (f) => ({ type: 'ping', nonce: f.uint(1, U32) })],
  [KINDS.pong, (f) => ({ type: 'pong', nonce: f.uint(1, U32) })],
  [KINDS.bye, (f) => ({ type: 'bye', reason: text(f.bytes(1, limit.MAX_REASON_BYTES) ?? NOTHING) })],
] satisfies [number, (fields: Fields) => ControlMessage][]);

function node(f: Fields): ControlMessage {
  const bytes = optional(f.bytes(3, limit.MAX_NODE_ANSWER_BYTES));
  const packed = optional(f.bytes(4, limit.MAX_NODE_ANSWER_BYTES));
  return { type: 'node', slot: f.uint(1, U32), cid: cid(f, 2), bytes, ...(packed && { packed }) };
}

function grant(f: Fields): ControlMessage {
  const message = {
    type: 'grant' as const,
    id: f.uint(1, U32),
    bytes: f.uint(2, ANY),
    leaseMs: f.uint(3, U32),
  };
  const slot = f.uint(4, U32);
  const chunks = f.bytes(5, limit.MAX_CONTROL_FRAME_BYTES);
  const offer = chunks && { slot, chunks: unpackChunks(chunks) };
  return { ...message, ...(offer && { offer }), ...(f.uint(6, ANY) !== 0 && { only: slot }) };
}

function ack(f: Fields): ControlMessage {
  const at = f.uint(2, ANY);
  return { type: 'ack', bytes: f.uint(1, ANY), ...(at > 0 && { atMs: at - 1 }) };
}

function have(f: Fields): Have {
  const kind = oneOf(HAVE_KINDS, f, 3);
  if (kind !== 'some') return { kind };
  return { kind, bits: copy(f.bytes(4, limit.MAX_CHUNKS / 8) ?? NOTHING) };
}

function contact(bytes: Uint8Array): Contact {
  const f = fieldsOf(bytes);
  return {
    peer: text(f.bytes(1, limit.MAX_PEER_ID_BYTES) ?? NOTHING),
    addresses: f.list(2, limit.MAX_CONTACT_ADDRESSES, limit.MAX_ADDRESS_BYTES).map(text),
  };
}

function cid(f: Fields, field: number): Uint8Array {
  return copy(f.bytes(field, limit.MAX_CID_BYTES) ?? NOTHING);
}

function packed(f: Fields, field: number): Uint8Array {
  return f.bytes(field, limit.MAX_CONTROL_FRAME_BYTES) ?? NOTHING;
}

function exactly(bytes: Uint8Array | undefined, length: number): Uint8Array {
  if (bytes?.byteLength !== length) throw badFrame(`a field that is not ${length} bytes long`);
  return copy(bytes);
}

/** A value beyond those known stands for the first: a later version's reason is still a reason. */
function oneOf<T>(values: readonly T[], f: Fields, field: number): T {
  return values[f.uint(field, ANY)] ?? (values[0] as T);
}

function text(bytes: Uint8Array): string {
  return textDecoder.decode(bytes);
}

function unpackGaps(bytes: Uint8Array): number[] {
  const reader = new ProtoReader(bytes);
  const chunks: number[] = [];
  for (let next = 0; !reader.ended; next++) {
    next += reader.varint();
    if (next >= limit.MAX_CHUNKS) throw badFrame('a chunk beyond any asset');
    if (chunks.length >= limit.MAX_CHUNKS_PER_MESSAGE) throw badFrame('too many chunk numbers in a message');
    chunks.push(next);
  }
  return chunks;
}

function unpackChunks(bytes: Uint8Array): number[] {
  const chunks: number[] = [];
  for (const { from, count } of unpackRuns(bytes, limit.MAX_CHUNKS_PER_MESSAGE)) {
    if (chunks.length + count > limit.MAX_CHUNKS_PER_MESSAGE)
      throw badFrame('too many chunk numbers in a message');
    for (let chunk = from; chunk < from + count; chunk++) chunks.push(chunk);
  }
  return chunks;
}

function unpackRuns(bytes: Uint8Array, maxRuns = limit.MAX_RUNS): ChunkRun[] {
  const reader = new ProtoReader(bytes);
  const runs: ChunkRun[] = [];
  let end = 0;
  while (!reader.ended) {
    const zigzag = reader.varint();
    const count = reader.varint();
    const from = end + (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
    if (from < 0 || count < 1 || from + count > limit.MAX_CHUNKS)
      throw badFrame('a run of chunks beyond any asset');
    if (runs.length >= maxRuns) throw badFrame(`more than ${maxRuns} runs of chunks in a message`);
    runs.push({ from, count });
    end = from + count;
  }
  return runs;
}

/** Not `slice`: of a Node Buffer that is another view, and would keep or see change what the socket owns. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function optional(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes && copy(bytes);
}
