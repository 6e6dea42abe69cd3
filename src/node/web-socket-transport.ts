import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Listener, Transport, Upgrader } from '@libp2p/interface';
import { webSockets, type WebSocketsComponents } from '@libp2p/websockets';
import { endingWebSockets } from './ending-web-socket.ts';
import { networkOf } from './ip-host.ts';
import { PendingConnections } from './pending-connections.ts';

type Components = WebSocketsComponents & { upgrader: Upgrader };

/** A browser asks to upgrade at once; HTTP's own minute is for people with a slow line and a long form. */
const ASKING_MS = 10_000;

/** Frames of Noise have 64 KiB. `ws` gathers messages of 100 MiB before anything is known of who sends them. */
const MAX_MESSAGE_BYTES = 1 << 20;

/** What this changes of the listener of `@libp2p/websockets` 10.1.21; its type does not tell of it. */
interface WebSocketListener extends Listener {
  readonly wsServer: { readonly options: { maxPayload: number } };
  /** Somebody has connected over TCP. */
  onSocketConnection(socket: Socket): Promise<void>;
  /** And has asked for a WebSocket. */
  onWsServerConnection(webSocket: EventEmitter, request: IncomingMessage): void;
}

/**
 * WebSocket, which pages dial on http and localhost.
 *
 * In `@libp2p/websockets` nobody listens for the `error` of a WebSocket that came in, so that a single frame that breaks the
 * protocol, from anybody, ended the process. And sockets that do not ask for one stay for a minute or longer, in any number.
 */
export function webSocketTransport(): (
  components: WebSocketsComponents & { upgrader: Upgrader },
) => Transport {
  const make = endingWebSockets<Components, Transport>(
    webSockets({
      http: {
        headersTimeout: ASKING_MS,
        requestTimeout: ASKING_MS,
        connectionsCheckingInterval: ASKING_MS / 2,
      },
    }),
  );
  return (components) => {
    const transport = make(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options) => bounded(createListener(options) as WebSocketListener);
    return transport;
  };
}

function bounded(listener: WebSocketListener): WebSocketListener {
  const pending = new PendingConnections();
  const asking = new WeakMap<Socket, () => void>();
  listener.wsServer.options.maxPayload = MAX_MESSAGE_BYTES;
  const connected = listener.onSocketConnection.bind(listener);
  listener.onSocketConnection = async (socket) => {
    const leave = pending.take(networkOf(socket.remoteAddress ?? ''));
    if (!leave) return void socket.destroy();
    const done = (): void => {
      if (asking.delete(socket)) leave[Symbol.dispose]();
    };
    asking.set(socket, done);
    socket.once('close', done);
    await connected(socket);
  };
  const asked = listener.onWsServerConnection.bind(listener);
  listener.onWsServerConnection = (webSocket, request) => {
    asking.get(request.socket)?.();
    // It closes itself, which is heard of.
    webSocket.on('error', () => {});
    asked(webSocket, request);
  };
  return listener;
}
