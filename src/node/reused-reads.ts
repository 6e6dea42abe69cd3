import type { TLSSocket } from 'node:tls';

/** The most that a record of TLS holds (RFC 8446, 5.1): Node hands them on one by one. */
const RECORD_BYTES = 16 << 10;

/** Where `net.Socket` keeps what its option `onread` named: on every socket, null where there is no such option. */
const BUFFER = 'kBuffer';
const CALLBACK = 'kBufferCb';

/**
 * Has a socket read into one buffer, again and again, past its stream: Node's option `onread` (`net.Socket`), which it passes over
 * where TLS is put on a socket that is there already. As `data` events each record is a new buffer, a turn through
 * the stream, and a piece of memory that no cache has. What the stream took before goes to `take` first; the socket's
 * `pause`, `resume` and `end` work as ever.
 *
 * @param take gets memory that is used again as soon as it returns
 * @returns false where this Node is made another way, and nothing was changed
 */
export function reuseReadMemory(socket: TLSSocket, take: (bytes: Uint8Array) => void): boolean {
  const { _handle: handle } = socket as TLSSocket & {
    _handle?: { useUserBuffer?: (memory: Uint8Array) => void };
  };
  const own = Object.getOwnPropertySymbols(socket);
  const [buffer, callback] = [BUFFER, CALLBACK].map((name) => own.find((each) => each.description === name));
  if (!buffer || !callback || typeof handle?.useUserBuffer !== 'function') return false;
  const memory = new Uint8Array(RECORD_BYTES);
  Object.assign(socket, {
    [buffer]: memory,
    [callback]: (count: number): void => take(memory.subarray(0, count)),
  });
  handle.useUserBuffer(memory);
  for (let bytes = read(socket); bytes !== null; bytes = read(socket)) take(bytes);
  return true;
}

function read(socket: TLSSocket): Uint8Array | null {
  return socket.read() as Uint8Array | null;
}
