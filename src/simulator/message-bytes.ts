import type { ChunkRun, Message } from '../swarm/core/messages.ts';
import { DECLINE_REASONS, HAVE_KINDS, REJECT_REASONS } from '../swarm/wire/control-schema.ts';

/** Bytes that a number takes as a varint. */
function varint(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** A field that is a number; nothing where it is 0. */
function uint(value: number): number {
  return value === 0 ? 0 : 1 + varint(value);
}

function bytes(length: number): number {
  return 1 + varint(length) + length;
}

function packed(runs: Iterable<ChunkRun>): number {
  let length = 0;
  let end = 0;
  for (const { from, count } of runs) {
    const delta = from - end;
    length += varint(delta < 0 ? -delta * 2 - 1 : delta * 2) + varint(count);
    end = from + count;
  }
  return bytes(length);
}

function packedGaps(chunks: readonly number[]): number {
  let length = 0;
  let next = 0;
  for (const chunk of chunks) {
    length += varint(chunk - next);
    next = chunk + 1;
  }
  return bytes(length);
}

function packedChunks(chunks: readonly number[]): number {
  const runs: ChunkRun[] = [];
  let last: ChunkRun | undefined;
  for (const chunk of chunks) {
    if (last && last.from + last.count === chunk) last.count++;
    else runs.push((last = { from: chunk, count: 1 }));
  }
  return packed(runs);
}

/** Bytes of a CID in JOIN: version, codec, SHA-256 and its header. */
const ROOT_BYTES = 36;

/**
 * Bytes of a control message as one frame on the wire (`swarm/wire/encode-control.ts`), without encoding it: a
 * large swarm sends hundreds of millions. The slot is taken to be 0, as a node's first asset has it.
 */
export function messageBytes(message: Message): number {
  const body = bytes(bodyBytes(message));
  return varint(body) + body;
}

function bodyBytes(message: Message): number {
  switch (message.type) {
    case 'join': {
      const { have } = message;
      const bits = have.kind === 'some' ? bytes(have.bits.byteLength) : 0;
      return bytes(ROOT_BYTES) + uint(HAVE_KINDS.indexOf(have.kind)) + bits + (message.reply ? 2 : 0);
    }
    case 'leave':
      return 0;
    case 'grant': {
      const offer = message.offer ? packedChunks(message.offer.chunks) : 0;
      return uint(message.id) + uint(message.bytes) + uint(Math.round(message.leaseMs)) + offer;
    }
    case 'decline':
      return uint(message.grant) + uint(message.bytes) + uint(DECLINE_REASONS.indexOf(message.reason));
    case 'have':
      return packedGaps(message.chunks);
    case 'request':
      return uint(message.grant) + packed(message.runs);
    case 'cancel':
      return uint(message.chunk);
    case 'reject':
      return uint(message.chunk) + uint(REJECT_REASONS.indexOf(message.reason));
    case 'ack':
      return uint(message.bytes) + (message.atMs === undefined ? 0 : uint(message.atMs + 1));
    case 'peers': {
      let length = uint(Math.round(message.progress * 1_000_000));
      for (const { peer, addresses } of message.contacts) {
        let contact = bytes(peer.length);
        for (const address of addresses) contact += bytes(address.length);
        length += bytes(contact);
      }
      return length;
    }
    case 'bye':
      return bytes(message.reason.length);
  }
}
