import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { AbortOptions } from '@libp2p/interface';
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils';
import { isLent, takenBySocket } from '../store/sent-memory.ts';
import { noteShortLived } from '../store/short-lived-memory.ts';
import { handDirectly } from '../swarm/direct-reads.ts';
import { countArrivals } from '../swarm/sign-of-life.ts';
import { writeLargeAlone } from './large-writes.ts';
import { reuseReadMemory } from './reused-reads.ts';

/** `@libp2p/tcp`'s connection: the socket is there, though its type does not tell. */
export type SocketConnection = AbstractMultiaddrConnection & { readonly socket: Socket };

/**
 * How long a socket stays open for the peer's own farewell after ours was sent. One that is closed with bytes
 * unread, be it only the session tickets that follow every handshake, resets the connection, and the peer loses
 * what was still on its way. A peer answers at once when it has read to the end; the limit is for one that hangs.
 */
const LINGER_MS = 500;

/**
 * The clear side of a TLS connection as a libp2p message stream. What is sent goes to OpenSSL in one `writev`, so
 * that a frame's header and body share a record; what arrives is read into memory that is used again.
 *
 * The end of the socket, of the TCP connection under it and of this stream always come together: whichever ends
 * first ends the others, with the same error where there is one.
 */
export class TlsMessageStream extends AbstractMultiaddrConnection {
  readonly #connection: SocketConnection;
  readonly #socket: TLSSocket;

  /**
   * @param connection The TCP connection whose socket `socket` has taken over
   * @param socket After its handshake, not yet read from
   */
  constructor(connection: SocketConnection, socket: TLSSocket) {
    super({
      remoteAddr: connection.remoteAddr,
      direction: connection.direction,
      log: connection.log,
      inactivityTimeout: connection.inactivityTimeout,
      maxReadBufferLength: connection.maxReadBufferLength,
    });
    this.#connection = connection;
    this.#socket = socket;
    const isReused = reuseReadMemory(socket, (bytes) => {
      if (!handDirectly(this, bytes)) this.onData(new Uint8Array(bytes));
    });
    if (!isReused) {
      socket.on('data', (bytes) => {
        if (!handDirectly(this, bytes)) this.onData(bytes);
        noteShortLived(bytes.byteLength);
      });
    }
    writeLargeAlone(socket);
    // A record of TLS is handed on when it is whole: 16 kB, which take a slow path many seconds.
    countArrivals(this, () => connection.socket.bytesRead);
    socket.on('drain', () => this.safeDispatchEvent('drain'));
    socket.on('error', (error) => this.abort(error));
    // Where a server's socket tells of broken records after the handshake (node:internal/tls/wrap).
    socket.on('_tlsError', (error: Error) => this.abort(error));
    connection.addEventListener('close', (event) => {
      if (event.error === undefined) this.onTransportClosed();
      else if (event.local === true) this.abort(event.error);
      else this.onRemoteReset();
    });
    // libp2p closes the TCP connection, not this stream: what is queued here still goes out first.
    connection.sendClose = async (options) => {
      await this.close(options);
      await socketClosed(socket, options?.signal);
    };
  }

  /** Sends what is queued, then TLS's and TCP's farewell; done once the socket is closed. */
  override async close(options?: AbortOptions): Promise<void> {
    try {
      await super.close(options);
    } catch (error) {
      // The other side may end the connection while the queue drains: that is closed too.
      if (this.status === 'open' || this.status === 'closing') throw error;
    }
  }

  override async sendClose(options?: AbortOptions): Promise<void> {
    const socket = this.#socket;
    const transport = this.#connection.socket;
    let linger: NodeJS.Timeout | undefined;
    const onFinish = (): void => {
      linger = setTimeout(() => transport.destroy(), LINGER_MS);
    };
    if (socket.writableFinished) onFinish();
    else socket.once('finish', onFinish);
    socket.once('close', () => clearTimeout(linger));
    if (!transport.destroyed) socket.end();
    await socketClosed(socket, options?.signal);
  }

  override sendReset(error: Error): void {
    this.#connection.abort(error);
    // Where the connection counted itself as closed already.
    this.#connection.socket.destroy();
  }

  override sendPause(): void {
    this.#socket.pause();
  }

  override sendResume(): void {
    this.#socket.resume();
  }

  override sendData(data: Parameters<AbstractMultiaddrConnection['sendData']>[0]): SendResult {
    if (this.#connection.socket.destroyed) return { sentBytes: data.byteLength, canSendMore: false };
    let canSendMore = true;
    this.#socket.cork();
    for (const bytes of data) canSendMore = this.#write(bytes);
    this.#socket.uncork();
    return { sentBytes: data.byteLength, canSendMore };
  }

  #write(bytes: Uint8Array): boolean {
    if (!isLent(bytes)) return this.#socket.write(bytes);
    return this.#socket.write(bytes, (error) => {
      if (!error) takenBySocket(bytes);
    });
  }
}

function socketClosed(socket: Socket, signal: AbortSignal | undefined): Promise<void> {
  if (socket.closed) return Promise.resolve();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal?.reason);
  socket.once('close', () => resolve());
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  return promise.finally(() => signal?.removeEventListener('abort', onAbort));
}
