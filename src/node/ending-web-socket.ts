import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface';
import { overridden } from './overridden.ts';
import { withUpgrader } from './with-upgrader.ts';

/** What this changes of a connection of `@libp2p/websockets` 10.1.21; its type does not tell of it. */
interface WebSocketConnection extends MultiaddrConnection {
  /** `terminate`: of one that came in. */
  readonly websocket: WebSocket & { terminate?: () => void };
  sendReset(): void;
}

/**
 * WebSocket whose connections end when they are given up. `@libp2p/websockets` closes one then with a code that no WebSocket takes
 * (1006), which throws: whoever was cut off, had gone without a word, or did not get through the handshake kept a socket, and could
 * go on to send.
 */
export function endingWebSockets<C extends { upgrader: Upgrader }, T extends Transport>(
  make: (components: C) => T,
): (components: C) => T {
  return withUpgrader(make, endingFailed);
}

function endingFailed(upgrader: Upgrader): Upgrader {
  const ending =
    (name: 'upgradeInbound' | 'upgradeOutbound') =>
    async (...[connection, options]: Parameters<Upgrader['upgradeOutbound']>) => {
      makeEnd(connection as WebSocketConnection);
      try {
        return (await upgrader[name](connection, options)) as never;
      } catch (error) {
        connection.abort(error as Error);
        throw error;
      }
    };
  return overridden(upgrader, {
    upgradeInbound: ending('upgradeInbound'),
    upgradeOutbound: ending('upgradeOutbound'),
  });
}

function makeEnd(connection: WebSocketConnection): void {
  const { websocket } = connection;
  connection.sendReset = () => {
    if (websocket.terminate) websocket.terminate();
    else websocket.close();
  };
}
