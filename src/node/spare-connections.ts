import { KEEP_ALIVE, type Connection, type Libp2p, type PeerId } from '@libp2p/interface';
import { letExit } from '../swarm/let-exit.ts';

/** A connection is let alone for so long: whoever came must introduce itself and greet, and who is closed and comes back costs a handshake. */
const SETTLED_MS = 30_000;

/** Where too many connections are left, for want of some to close, they are looked at again after this. */
const AGAIN_MS = 5000;

/** The tag of a peer that is to stay connected. Not libp2p's own for that, with which it would dial the peer, too. */
const STAY_TAG = 'shoal-stay';

/** A peer that has a place on this node as its relay: nobody finds it there once its connection is closed. Set by libp2p. */
const RELAYED_TAG = 'circuit-relay-source';

/** Above libp2p's tags of the DHT, by which it chooses whom to close when it must. */
const STAY_VALUE = 100;

/** What of a node this works with. */
export interface CrowdedNode extends Pick<Libp2p, 'getConnections' | 'addEventListener'> {
  readonly peerStore: Pick<Libp2p['peerStore'], 'get'>;
}

/**
 * Closes connections that carry nothing, the oldest first, whenever a node has more than so many. libp2p refuses who comes
 * while it has its own maximum, and closes something only above that, which no inbound connection leads to: so a node whose
 * idle connections were kept, as those of peers that a swarm needs no more are, was closed to everybody new for as long as
 * it ran. Give libp2p a maximum above this one, for those that come meanwhile. Nobody is refused for having been closed.
 *
 * @param maximum may be exceeded by connections that are in use, young or to stay
 * @param nowMs as `Date.now`, by which libp2p notes when a connection was opened
 */
export function closeSpareConnections(node: CrowdedNode, maximum: number, nowMs = Date.now): void {
  let isClosing = false;
  let again: ReturnType<typeof setTimeout> | undefined;
  const ending = new WeakSet<Connection>();
  const openNow = (): Connection[] =>
    node.getConnections().filter((each) => each.status === 'open' && !ending.has(each));
  const check = async (): Promise<void> => {
    if (isClosing || openNow().length <= maximum) return;
    isClosing = true;
    clearTimeout(again);
    await closeSome();
    isClosing = false;
    // Who comes at libp2p's maximum is refused, and leads to no event.
    if (openNow().length <= maximum) return;
    again = setTimeout(() => void check(), AGAIN_MS);
    letExit(again);
  };
  /** One from the future was opened before the clock was set back. */
  const ageMs = ({ timeline }: Connection): number => {
    const age = nowMs() - timeline.open;
    return age < 0 ? Number.MAX_SAFE_INTEGER : age;
  };
  const closeSome = async (): Promise<void> => {
    const oldestFirst = openNow().sort((a, b) => ageMs(b) - ageMs(a));
    for (const connection of oldestFirst) {
      if (openNow().length <= maximum || ageMs(connection) < SETTLED_MS) return;
      if (isInUse(node, connection) || (await mustStay(node, connection.remotePeer))) continue;
      // It may have come into use meanwhile.
      if (isInUse(node, connection) || openNow().length <= maximum) continue;
      ending.add(connection);
      connection.close().catch((error: unknown) => connection.abort(error as Error));
    }
  };
  node.addEventListener('connection:open', () => void check());
}

/** How many want which peer to stay, by the peer store that it is noted in. */
const stays = new WeakMap<object, Map<string, number>>();

/**
 * Has {@link closeSpareConnections} spare a peer until `end` resolves; so resolves the result. Several may want the same peer to
 * stay, as each asset that a link is opened for does: it is noted once, since libp2p reads and writes all of a peer's tags each time.
 */
export async function letStay(
  { peerStore }: { peerStore: Pick<Libp2p['peerStore'], 'merge'> },
  peer: PeerId,
  end: Promise<void>,
): Promise<void> {
  const counts = stays.get(peerStore) ?? new Map<string, number>();
  stays.set(peerStore, counts);
  const key = peer.toString();
  const note = async (value: { value: number } | undefined): Promise<void> => {
    // A peer that is not noted is connected to all the same.
    await peerStore.merge(peer, { tags: { [STAY_TAG]: value } }).catch(() => {});
  };
  const before = counts.get(key) ?? 0;
  counts.set(key, before + 1);
  if (before === 0) await note({ value: STAY_VALUE });
  await end;
  const left = (counts.get(key) ?? 1) - 1;
  if (left > 0) {
    counts.set(key, left);
    return;
  }
  counts.delete(key);
  await note(undefined);
}

/** A second connection to a peer that uses the first may be the one that remains. */
function isInUse(node: CrowdedNode, { remotePeer }: Connection): boolean {
  return node.getConnections(remotePeer).some(({ streams }) => streams.length > 0);
}

async function mustStay(node: CrowdedNode, peer: PeerId): Promise<boolean> {
  try {
    const { tags } = await node.peerStore.get(peer);
    return [...tags.keys()].some(
      (tag) => tag === RELAYED_TAG || tag === STAY_TAG || tag.startsWith(KEEP_ALIVE),
    );
  } catch {
    // Nothing is known of it.
    return false;
  }
}
