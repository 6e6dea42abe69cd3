import type { ChunkRun, Contact } from '../core/messages.ts';
import type { ControlMessage, HelloMessage } from './control-message.ts';
import { DECLINE_REASONS, HAVE_KINDS, KINDS, REJECT_REASONS } from './control-schema.ts';
import { ProtoWriter } from '../../integrity/proto-writer.ts';

/** Encodes a control message as one frame: a varint length, then the protobuf message `Control`. */
export function encodeControl(message: ControlMessage): Uint8Array {
  const body = encodeBody(message);
  return new ProtoWriter(body.byteLength + 8).bytes(KINDS[message.type], body).frame();
}

function encodeBody(message: ControlMessage): Uint8Array {
  const out = new ProtoWriter();
  switch (message.type) {
    case 'hello':
      return encodeHello(message);
    case 'join':
      out.uint(1, message.slot).bytes(2, message.root).uint(3, HAVE_KINDS.indexOf(message.have.kind));
      if (message.have.kind === 'some') out.bytes(4, message.have.bits);
      return out.bool(5, message.reply).finish();
    case 'leave':
      return out.uint(1, message.slot).finish();
    case 'nodes':
      out.uint(1, message.slot);
      for (const cid of message.cids) out.bytes(2, cid);
      return out.finish();
    case 'node':
      out.uint(1, message.slot).bytes(2, message.cid);
      if (message.bytes) out.bytes(3, message.bytes);
      if (message.packed) out.bytes(4, message.packed);
      return out.finish();
    case 'grant':
      out.uint(1, message.id).uint(2, message.bytes).uint(3, Math.round(message.leaseMs));
      out.uint(4, message.only ?? message.offer?.slot ?? 0);
      if (message.offer) out.bytes(5, packChunks(message.offer.chunks));
      out.bool(6, message.only !== undefined);
      return out.finish();
    case 'decline':
      out.uint(1, message.grant).uint(2, message.bytes);
      return out.uint(3, DECLINE_REASONS.indexOf(message.reason)).finish();
    case 'have':
      return out.uint(1, message.slot).bytes(2, packGaps(message.chunks)).finish();
    case 'request':
      return out.uint(1, message.grant).uint(2, message.slot).bytes(3, packRuns(message.runs)).finish();
    case 'cancel':
      return out.uint(1, message.slot).uint(2, message.chunk).finish();
    case 'reject':
      out.uint(1, message.slot).uint(2, message.chunk);
      return out.uint(3, REJECT_REASONS.indexOf(message.reason)).finish();
    case 'ack':
      out.uint(1, message.bytes);
      // 0 is not written, and stands for nothing said.
      if (message.atMs !== undefined) out.uint(2, message.atMs + 1);
      return out.finish();
    case 'peers':
      out.uint(1, message.slot);
      for (const contact of message.contacts) out.bytes(2, encodeContact(contact));
      return out.uint(3, toPartsPerMillion(message.progress)).finish();
    case 'ping':
    case 'pong':
      return out.uint(1, message.nonce).finish();
    case 'bye':
      return out.text(1, message.reason).finish();
  }
}

function encodeHello(message: HelloMessage): Uint8Array {
  const out = new ProtoWriter().uint(1, message.version);
  for (const feature of message.features) out.text(2, feature);
  out.uint(3, message.limits.controlFrameBytes).uint(4, message.limits.chunkBytes);
  return out.bytes(5, message.instance).uint(6, message.link).finish();
}

function encodeContact(contact: Contact): Uint8Array {
  const out = new ProtoWriter().text(1, contact.peer);
  for (const address of contact.addresses) out.text(2, address);
  return out.finish();
}

/** Fractions travel as parts per million: exact enough for a ranking, and no float on the wire. */
function toPartsPerMillion(fraction: number): number {
  return Math.round(Math.min(1, Math.max(0, fraction)) * 1_000_000);
}

/**
 * Chunks as the gaps between them, ascending: most neighbours have many chunks to tell of at once, and a gap is one
 * byte. @throws RangeError where they do not ascend
 */
function packGaps(chunks: readonly number[]): Uint8Array {
  const out = new ProtoWriter(chunks.length * 2 + 10);
  let next = 0;
  for (const chunk of chunks) {
    if (chunk < next) throw new RangeError(`chunk ${chunk} does not ascend`);
    out.varint(chunk - next);
    next = chunk + 1;
  }
  return out.finish();
}

/** Keeps the order of the chunks, which an offer means. */
function packChunks(chunks: readonly number[]): Uint8Array {
  const runs: ChunkRun[] = [];
  let last: ChunkRun | undefined;
  for (const chunk of chunks) {
    if (last && last.from + last.count === chunk) last.count++;
    else runs.push((last = { from: chunk, count: 1 }));
  }
  return packRuns(runs);
}

/** Each run as two varints: its start less the end of the run before (zigzag), and its count. */
function packRuns(runs: readonly ChunkRun[]): Uint8Array {
  const out = new ProtoWriter(runs.length * 4 + 10);
  let end = 0;
  for (const { from, count } of runs) {
    const delta = from - end;
    out.varint(delta < 0 ? -delta * 2 - 1 : delta * 2).varint(count);
    end = from + count;
  }
  return out.finish();
}
