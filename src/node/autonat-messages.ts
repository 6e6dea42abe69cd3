import { ProtoReader } from '../integrity/proto-reader.ts';
import { ProtoWriter } from '../integrity/proto-writer.ts';

/** AutoNAT v1 (libp2p specs, `autonat/autonat-v1.md`): a peer is asked to dial back, and tells whether it could. */
export const AUTONAT_PROTOCOL = '/libp2p/autonat/1.0.0';

/** A peer's id and some addresses: other implementations send all they have. */
export const MAX_AUTONAT_BYTES = 4096;

/** `Message.ResponseStatus`. */
export const DialStatus = { ok: 0, dialError: 100, dialRefused: 101, badRequest: 200 } as const;

/** What a request asks for. */
export interface DialRequest {
  /** The multihash of a peer id. */
  peer: Uint8Array;
  /** Multiaddrs. */
  addresses: Uint8Array[];
}

const MessageType = { dial: 0, dialResponse: 1 } as const;

/** A request to be dialled, without its length. */
export function encodeDial({ peer, addresses }: DialRequest): Uint8Array {
  const info = new ProtoWriter().bytes(1, peer);
  for (const address of addresses) info.bytes(2, address);
  const dial = new ProtoWriter().bytes(1, info.finish());
  return new ProtoWriter().required(1, MessageType.dial).bytes(2, dial.finish()).finish();
}

/** An answer, without its length. @param address what was dialled */
export function encodeDialResponse(status: number, address?: Uint8Array): Uint8Array {
  const response = new ProtoWriter().required(1, status);
  if (address) response.bytes(3, address);
  return new ProtoWriter().required(1, MessageType.dialResponse).bytes(3, response.finish()).finish();
}

/** @throws RangeError where it is none */
export function decodeDial(message: Uint8Array): DialRequest {
  const request: DialRequest = { peer: new Uint8Array(0), addresses: [] };
  for (const dial of parts(message, 2)) {
    for (const info of parts(dial, 1)) {
      for (const peer of parts(info, 1)) request.peer = peer;
      request.addresses.push(...parts(info, 2));
    }
  }
  if (request.peer.byteLength === 0) throw new RangeError('it names no peer to dial');
  return request;
}

/** The status that an answer gives. @throws RangeError where it gives none */
export function decodeDialResponse(message: Uint8Array): number {
  for (const response of parts(message, 3)) {
    const reader = new ProtoReader(response);
    while (!reader.ended) {
      const { field, wire } = reader.tag();
      if (field === 1 && wire === 0) return reader.varint();
      reader.skip(wire);
    }
  }
  throw new RangeError('it gives no status');
}

/** The length-delimited fields of a number. */
function parts(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new ProtoReader(message);
  const found: Uint8Array[] = [];
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (field === wanted && wire === 2) found.push(reader.bytes());
    else reader.skip(wire);
  }
  return found;
}
