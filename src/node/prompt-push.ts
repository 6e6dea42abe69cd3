import { identifyPush, type IdentifyPush } from '@libp2p/identify';
import type { Connection, Libp2pEvents, Peer, PeerId, TypedEventTarget } from '@libp2p/interface';
import type { AddressManager } from '@libp2p/interface-internal';
import { latestWord } from './latest-word.ts';
import { overridden } from './overridden.ts';
import { sleep } from './sleep.ts';

type Components = Parameters<ReturnType<typeof identifyPush>>[0] & {
  events: TypedEventTarget<Libp2pEvents>;
  addressManager: AddressManager;
};

/** A relay tells of all its addresses at once; peers that wait for them do not wait long. */
const DEBOUNCE_MS = 50;

/** Whoever could not be told is told after this, twice the limit of one attempt, and then each time after twice as long. */
const AGAIN_MS = 10_000;
const LATEST_AGAIN_MS = 60_000;

/** What {@link promptPush} takes. */
export interface PromptPushOptions {
  /** Whoever could not be told is told again after this. Default: 10,000 ms. */
  againMs?: number;
}

/**
 * identify push: tells those that are connected of addresses that come later, by a relay or by AutoNAT, so that they can tell
 * others. The stock one waits for two seconds, and tells everybody once more of what identify has just told them when a
 * node starts, which is when a crowd has better to do. And it tries once: who was busy, or had not introduced itself yet, was
 * never told, nor was anybody after a connection of whose peer nothing is known. Here who was not told is told again.
 */
export function promptPush({ againMs = AGAIN_MS }: PromptPushOptions = {}): (
  components: Components,
) => IdentifyPush {
  const make = identifyPush({ runOnSelfUpdate: false, debounce: DEBOUNCE_MS });
  return (components) => {
    const { addressManager, connectionManager, events } = components;
    const peerStore = latestWord(components.peerStore);
    const present = (): string => addressManager.getAddresses().map(String).sort().join(' ');
    let now = present();
    /** What the service is telling; `now` may have changed since. */
    let telling = now;
    const told = new WeakMap<Connection, string>(
      connectionManager.getConnections().map((connection) => [connection, now]),
    );
    const untold = (): Connection[] =>
      connectionManager.getConnections().filter((connection) => told.get(connection) !== now);
    const noting = (connection: Connection, what: string): Connection => {
      const newStream: Connection['newStream'] = async (...args) => {
        const stream = await connection.newStream(...args);
        stream.addEventListener('close', ({ error }) => {
          if (!error) told.set(connection, what);
        });
        return stream;
      };
      return overridden(connection, { newStream });
    };
    const service = make(
      overridden(components, {
        addressManager: overridden(addressManager, {
          getAddresses: () => {
            now = telling = present();
            return addressManager.getAddresses();
          },
        }),
        connectionManager: overridden(connectionManager, {
          getConnections: () => untold().map((connection) => noting(connection, telling)),
        }),
        peerStore: overridden(peerStore, {
          get: (id, options) => peerStore.get(id, options).catch(() => stranger(id)),
        }),
      }),
    );
    let ended = new AbortController();
    const tell = (): void => {
      if (present() === now) return;
      now = present();
      ended.abort();
      ended = new AbortController();
      void keepTelling(service, () => untold().length > 0, againMs, ended.signal);
    };
    // What is so when a connection opens, identify tells.
    events.addEventListener('connection:open', ({ detail }) => told.set(detail, present()));
    events.addEventListener('transport:listening', tell);
    events.addEventListener('self:peer:update', tell);
    return service;
  };
}

async function keepTelling(
  service: IdentifyPush,
  isUntold: () => boolean,
  againMs: number,
  ended: AbortSignal,
): Promise<void> {
  for (let ms = againMs; isUntold() && !ended.aborted; ms = Math.min(2 * ms, LATEST_AGAIN_MS)) {
    await service.push();
    await sleep(ms, ended);
  }
}

/** A peer that has not introduced itself, and is passed over for now. */
function stranger(id: PeerId): Peer {
  return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
}
