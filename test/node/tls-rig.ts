import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type {
  ComponentLogger,
  ConnectionEncrypter,
  Listener,
  Logger,
  MessageStream,
  MultiaddrConnection,
  PeerId,
  PrivateKey,
  StreamMessageEvent,
  Transport,
} from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import type { TLSComponents } from '@libp2p/tls';
import { multiaddr } from '@multiformats/multiaddr';

const quiet: Logger = Object.assign(() => {}, {
  error: () => {},
  trace: () => {},
  enabled: false,
  newScope: () => quiet,
});
const logger: ComponentLogger = { forComponent: () => quiet };

/** One end of a handshake: an encrypter and whom it speaks for. */
export interface TlsSide {
  peer: PeerId;
  encrypter: ConnectionEncrypter;
}

/** An encrypter with a new identity, or one that signs its certificate with `key`. */
export async function tlsSide(
  make: () => (components: TLSComponents) => ConnectionEncrypter,
  key?: PrivateKey,
): Promise<TlsSide> {
  const privateKey = key ?? (await generateKeyPair('Ed25519'));
  const muxer = yamux()();
  const upgrader = { getStreamMuxers: () => new Map([[muxer.protocol, muxer]]) };
  const encrypter = make()({ privateKey, logger, upgrader } as unknown as TLSComponents);
  return { peer: peerIdFromPrivateKey(privateKey), encrypter };
}

/** A libp2p TCP connection and the socket under it. */
export type RawConnection = MultiaddrConnection & { socket: Socket; readBufferLength: number };

/** TCP connections on loopback, before any upgrade: from libp2p to libp2p, or to a bare socket. */
export class TlsRig implements AsyncDisposable {
  readonly #transport: Transport = tcp()({ logger } as never);
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<ReturnType<typeof createServer>>();
  #accepted: ((connection: RawConnection) => void) | undefined;

  private constructor() {
    const upgradeInbound = async (connection: MultiaddrConnection): Promise<void> => {
      this.#sockets.add((connection as RawConnection).socket);
      this.#accepted?.(connection as RawConnection);
    };
    this.#listener = this.#transport.createListener({ upgrader: { upgradeInbound } as never });
  }

  static async create(): Promise<TlsRig> {
    const rig = new TlsRig();
    await rig.#listener.listen(multiaddr('/ip4/127.0.0.1/tcp/0'));
    return rig;
  }

  /** Both ends of a libp2p TCP connection: the one that dialled first. */
  async pair(): Promise<[RawConnection, RawConnection]> {
    const accepted = this.#nextAccepted();
    const outbound = await this.#dial(this.#port());
    return [outbound, await accepted];
  }

  /** A libp2p connection that a bare socket opened. */
  async pairWithSocket(options: { allowHalfOpen?: boolean } = {}): Promise<[Socket, RawConnection]> {
    const accepted = this.#nextAccepted();
    const socket = connect({ host: '127.0.0.1', port: this.#port(), ...options });
    this.#sockets.add(socket);
    await once(socket, 'connect');
    return [socket, await accepted];
  }

  /** A libp2p connection to a bare server: its end and the server's. */
  async pairWithServer(): Promise<[RawConnection, Socket]> {
    const server = createServer().listen(0, '127.0.0.1');
    this.#servers.add(server);
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const outbound = await this.#dial((server.address() as AddressInfo).port);
    const [socket] = await accepted;
    this.#sockets.add(socket);
    return [outbound, socket];
  }

  /** Secures a new pair; the streams of the dialling and of the listening side. */
  async securedPair(client: TlsSide, server: TlsSide): Promise<[MessageStream, MessageStream]> {
    const [outbound, inbound] = await this.pair();
    const [a, b] = await Promise.all([
      client.encrypter.secureOutbound(outbound),
      server.encrypter.secureInbound(inbound),
    ]);
    return [a.connection, b.connection];
  }

  /** Done once every socket of the rig is closed. A test that leaves one open times out here. */
  async allClosed(): Promise<void> {
    await Promise.all([...this.#sockets].map((socket) => socketClosed(socket)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await this.#listener.close();
  }

  #nextAccepted(): Promise<RawConnection> {
    return new Promise((resolve) => {
      this.#accepted = resolve;
    });
  }

  #port(): number {
    return Number(
      this.#listener
        .getAddrs()[0]
        ?.getComponents()
        .find(({ name }) => name === 'tcp')?.value,
    );
  }

  async #dial(port: number): Promise<RawConnection> {
    const { promise, resolve } = Promise.withResolvers<RawConnection>();
    const upgradeOutbound = async (connection: MultiaddrConnection): Promise<void> => {
      resolve(connection as RawConnection);
    };
    await this.#transport.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), {
      upgrader: { upgradeOutbound } as never,
      signal: new AbortController().signal,
    });
    const connection = await promise;
    this.#sockets.add(connection.socket);
    return connection;
  }
}

/** Done once the socket is closed, whether it says so with an error or without. */
export async function socketClosed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  socket.on('error', () => {});
  await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** Done once a stream is closed; the error it was closed with, if any. */
export async function streamClosed(stream: MessageStream): Promise<Error | undefined> {
  if (stream.status !== 'open' && stream.status !== 'closing') return undefined;
  return new Promise((resolve) => {
    stream.addEventListener('close', (event) => resolve(event.error), { once: true });
  });
}

/** Sends piece by piece and waits for the stream to drain where it is full. */
export async function sendAll(
  stream: MessageStream,
  bytes: Uint8Array,
  pieceSize = 64 * 1024,
): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += pieceSize) {
    stream.send(bytes.subarray(offset, offset + pieceSize));
    while (stream.writableNeedsDrain)
      await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
  }
}

/** The next `length` bytes that arrive. */
export async function receive(stream: MessageStream, length: number): Promise<Buffer> {
  const target = Buffer.alloc(length);
  let filled = 0;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const onMessage = ({ data }: StreamMessageEvent): void => {
    for (const part of data instanceof Uint8Array ? [data] : data) {
      target.set(part, filled);
      filled += part.byteLength;
    }
    if (filled < length) return;
    stream.removeEventListener('message', onMessage);
    resolve(target);
  };
  stream.addEventListener('message', onMessage);
  stream.addEventListener('close', (event) =>
    reject(event.error ?? new Error(`closed after ${filled} of ${length} bytes`)),
  );
  return promise;
}
