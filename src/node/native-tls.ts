import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import {
  InvalidCryptoExchangeError,
  serviceCapabilities,
  type ConnectionEncrypter,
  type MessageStream,
  type PeerId,
  type SecureConnectionOptions,
  type SecuredConnection,
  type StreamMuxerFactory,
} from '@libp2p/interface';
import { PROTOCOL, type TLSComponents } from '@libp2p/tls';
import { generateCertificate, toMessageStream, toNodeDuplex } from '@libp2p/tls/utils';
import { AbstractMultiaddrConnection } from '@libp2p/utils';
import { verifyPeerCertificate } from './peer-certificate.ts';
import { TlsMessageStream, type SocketConnection } from './tls-message-stream.ts';

/** The ALPN name of a peer that negotiates its muxer after the handshake. */
const NO_EARLY_MUXER = 'libp2p';

/**
 * A `/tls/1.0.0` connection encrypter that runs Node's TLS on the TCP socket itself. `@libp2p/tls`, with which it
 * shares wire format and certificates, runs it over a JavaScript stream, and that costs it about
 * half of the throughput. Only for a connection that has no socket of its own, as through a relay, that stream is used here, too.
 *
 * The certificate is made once a node, and anew when the clock was set back: it binds a fresh key to the node's identity, which
 * is the same for every connection. Source: https://github.com/libp2p/specs/blob/master/tls/tls.md
 */
export function nativeTls(): (components: TLSComponents) => ConnectionEncrypter {
  return (components) => new NativeTls(components);
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = PROTOCOL;
  readonly [Symbol.toStringTag] = 'shoal/native-tls';
  readonly [serviceCapabilities] = ['@libp2p/connection-encryption'];
  readonly #components: TLSComponents;
  #secureContext: Promise<SecureContext> | undefined;
  /** When it was made, ms since 1970. */
  #madeAtMs = 0;

  constructor(components: TLSComponents) {
    this.#components = components;
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, true, options);
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    return this.#secure(connection, false, options);
  }

  async #secure(
    connection: MessageStream,
    isServer: boolean,
    options: SecureConnectionOptions = {},
  ): Promise<SecuredConnection> {
    try {
      const secureContext = await this.#context();
      const own = hasOwnSocket(connection) ? connection : undefined;
      if (own) await putBackUnread(own);
      options.signal?.throwIfAborted();
      const muxers = this.#muxers(options);
      const transport = own?.socket ?? toNodeDuplex(connection);
      const socket = isServer
        ? accept(transport, secureContext, muxers)
        : dial(transport, secureContext, muxers);
      if (own) endTogether(own.socket, socket);
      else transport.on('error', (error) => socket.destroy(error));
      const remotePeer = await handshake(socket, options);
      const streamMuxer = chosenMuxer(socket, muxers);
      const secured = own ? new TlsMessageStream(own, socket) : toMessageStream(connection, socket);
      return { remotePeer, streamMuxer, connection: secured };
    } catch (error) {
      connection.abort(error as Error);
      throw error;
    }
  }

  #muxers(options: SecureConnectionOptions): Map<string, StreamMuxerFactory> {
    return options.skipStreamMuxerNegotiation === true
      ? new Map()
      : this.#components.upgrader.getStreamMuxers();
  }

  /** Not under one connection's signal: every connection to come waits for it. */
  #context(): Promise<SecureContext> {
    const nowMs = Date.now();
    // The clock was ahead, as it is before a machine has asked for the time: others than Shoal would find the certificate not valid yet.
    if (nowMs < this.#madeAtMs) this.#secureContext = undefined;
    if (!this.#secureContext) this.#madeAtMs = nowMs;
    this.#secureContext ??= this.#newContext().catch((error: unknown) => {
      this.#secureContext = undefined;
      throw error;
    });
    return this.#secureContext;
  }

  async #newContext(): Promise<SecureContext> {
    const certificate = await generateCertificate(this.#components.privateKey);
    return createSecureContext({ ...certificate, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' });
  }
}

/** True where a TCP socket carries this connection and nothing else is between them, neither a wrapper nor data. */
function hasOwnSocket(connection: MessageStream): connection is SocketConnection {
  if (!(connection instanceof AbstractMultiaddrConnection) || !('socket' in connection)) return false;
  return (
    connection.socket instanceof Socket &&
    !(connection.socket instanceof TLSSocket) &&
    connection.readStatus === 'readable' &&
    connection.writeBufferLength === 0
  );
}

/**
 * Parts the socket from the connection's reader, and returns to it the bytes that came in behind the protocol
 * negotiation, which belong to the handshake. From here to the TLS socket only microtasks pass, so no byte is read
 * in between.
 */
async function putBackUnread(connection: SocketConnection): Promise<void> {
  const { socket } = connection;
  socket.pause();
  for (const listener of socket.listeners('data')) socket.off('data', listener as (bytes: Buffer) => void);
  if (connection.readBufferLength > 0) {
    const unread = await new Promise<Uint8Array>((resolve) => {
      connection.addEventListener('message', (event) => resolve(event.data.subarray()), { once: true });
    });
    socket.unshift(unread);
  }
  if (socket.destroyed)
    throw new InvalidCryptoExchangeError('The connection closed before the TLS handshake');
}

function accept(
  socket: Duplex,
  secureContext: SecureContext,
  muxers: ReadonlyMap<string, unknown>,
): TLSSocket {
  return new TLSSocket(socket, {
    isServer: true,
    secureContext,
    requestCert: true,
    // Certificates are self-signed; verifyPeerCertificate checks them.
    rejectUnauthorized: false,
    ALPNCallback: ({ protocols }) =>
      protocols.find((protocol) => muxers.has(protocol)) ??
      protocols.find((protocol) => protocol === NO_EARLY_MUXER),
  });
}

function dial(socket: Duplex, secureContext: SecureContext, muxers: ReadonlyMap<string, unknown>): TLSSocket {
  return connect({
    socket,
    secureContext,
    rejectUnauthorized: false,
    ALPNProtocols: [...muxers.keys(), NO_EARLY_MUXER],
  });
}

/**
 * Makes the end of the TCP socket, by whomever, begin with the end of the TLS socket. In the other order Node
 * (24.21) frees OpenSSL's buffers while they are still being written, and crashes. And turns a reset into a plain
 * end where the TLS socket has said its farewell: libuv refuses to reset a socket whose shutdown is under way, and
 * Node then forgets that socket without closing it.
 */
function endTogether(transport: Socket, secure: TLSSocket): void {
  const destroy = transport.destroy.bind(transport);
  const reset = transport.resetAndDestroy.bind(transport);
  transport.destroy = (error) => {
    // Comes back here once, from the TLS socket's own end.
    if (!secure.destroyed) secure.destroy();
    return destroy(error);
  };
  transport.resetAndDestroy = () => (secure.writableEnded ? transport.destroy() : reset());
}

/**
 * Waits for the handshake and verifies who is there. An error, the end of the socket or the signal's abort ends it.
 *
 * @throws InvalidCryptoExchangeError, InvalidCertificateError, UnexpectedPeerError, TLS's own errors
 */
async function handshake(
  socket: TLSSocket,
  { signal, remotePeer }: SecureConnectionOptions,
): Promise<PeerId> {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  // Stays for the life of the socket: an 'error' that nobody hears would end the process.
  socket.on('error', reject);
  const onClose = (): void =>
    reject(new InvalidCryptoExchangeError('The connection closed during the TLS handshake'));
  const onAbort = (): void => reject(signal?.reason);
  socket.once('close', onClose);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([new Promise((resolve) => socket.once('secure', resolve)), failed]);
    return await Promise.race([verify(socket, remotePeer), failed]);
  } finally {
    socket.off('close', onClose);
    signal?.removeEventListener('abort', onAbort);
  }
}

async function verify(socket: TLSSocket, expected: PeerId | undefined): Promise<PeerId> {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new InvalidCryptoExchangeError('The remote peer sent no certificate');
  // One certificate proves one identity; libp2p knows no authorities.
  if (certificate.issuerCertificate !== undefined)
    throw new InvalidCryptoExchangeError('The remote peer sent a chain of certificates');
  return verifyPeerCertificate(certificate.raw, expected);
}

/** The muxer that both sides agreed on in the handshake, or none. @throws InvalidCryptoExchangeError */
function chosenMuxer(
  socket: TLSSocket,
  muxers: ReadonlyMap<string, StreamMuxerFactory>,
): StreamMuxerFactory | undefined {
  const { alpnProtocol } = socket;
  if (typeof alpnProtocol !== 'string' || alpnProtocol === NO_EARLY_MUXER) return undefined;
  const muxer = muxers.get(alpnProtocol);
  if (muxer === undefined)
    throw new InvalidCryptoExchangeError(
      `The remote peer chose the muxer ${alpnProtocol}, which was not offered`,
    );
  return muxer;
}
