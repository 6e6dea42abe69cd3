import { ProtoReader } from '../integrity/proto-reader.ts';
import { ProtoWriter } from '../integrity/proto-writer.ts';

/** Of `Peer` of libp2p's peer store: its addresses; and of each of those when it was first heard of. */
const ADDRESSES = 1;
const OBSERVED = 3;

/** A peer's record as libp2p keeps it, with all its addresses heard of just now. @param nowMs ms since 1970 */
export function withFreshAddresses(record: Uint8Array, nowMs: number): Uint8Array {
  return changed(record, ADDRESSES, (address) =>
    changed(address, OBSERVED, undefined).uint(OBSERVED, nowMs).finish(),
  ).finish();
}

/** The same message with other bytes in a field, or without it. */
function changed(
  message: Uint8Array,
  changing: number,
  change: ((value: Uint8Array) => Uint8Array) | undefined,
): ProtoWriter {
  const reader = new ProtoReader(message);
  const writer = new ProtoWriter(message.byteLength + 16);
  while (!reader.ended) {
    const { field, wire } = reader.tag();
    if (field === changing && !change) reader.skip(wire);
    else if (wire === 0) writer.required(field, reader.varint());
    else if (field === changing && change) writer.bytes(field, change(reader.bytes()));
    else writer.bytes(field, reader.bytes());
  }
  return writer;
}
