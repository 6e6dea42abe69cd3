/** Payload of a TCP segment at an MTU of 1500, with time stamps. */
export const SEGMENT_BYTES = 1448;

/** Of a segment: Ethernet, IP and TCP with time stamps. */
const HEADER_BYTES = 14 + 20 + 32;

/** Around what is written at once: a TLS 1.3 record (its header, type and tag), and a frame of yamux. */
const RECORD_BYTES = 22 + 12;

/** Most that one record holds. */
const MAX_RECORD_BYTES = 16 * 1024;

/** Segments for each acknowledgement (RFC 5681: at least every second one). */
const SEGMENTS_PER_ACK = 2;

/** A message that follows another on its link so soon is in the same packet: the shell writes once in a turn of the event loop. */
export const SAME_PACKET_MS = 1;

/** What a message takes on the wire by itself, besides its own bytes. */
export const PACKET_BYTES = HEADER_BYTES + RECORD_BYTES;

/** What a piece of a chunk takes on the wire. */
export function wireBytes(bytes: number): number {
  const records = Math.ceil(bytes / MAX_RECORD_BYTES) * RECORD_BYTES;
  return bytes + records + (HEADER_BYTES * (bytes + records)) / SEGMENT_BYTES;
}

/** What its receiver sends for it. */
export function ackWireBytes(bytes: number): number {
  return (HEADER_BYTES * bytes) / (SEGMENTS_PER_ACK * SEGMENT_BYTES);
}
