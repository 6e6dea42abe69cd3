import type { Libp2p, Peer, PeerData, PeerId } from '@libp2p/interface';

/** What was noted is good for so long: libp2p forgets a peer of which nothing was noted for six hours. */
const GOOD_MS = 10 * 60_000;

/** What of a node this changes. */
export interface RememberingNode {
  readonly peerId: PeerId;
  readonly peerStore: Pick<Libp2p['peerStore'], 'get' | 'save' | 'patch' | 'merge' | 'delete'>;
  getConnections(peer: PeerId): readonly unknown[];
  addEventListener(name: 'peer:disconnect', listener: (event: CustomEvent<PeerId>) => void): void;
}

/**
 * libp2p notes the protocol of each stream, of either side, in the peer store: the peer's record is locked, read, decoded,
 * changed, encoded and written, though the protocol is known since the peer introduced itself. It also reads a record for
 * each introduction. Among thirty peers that start together the peer store took 13 to 15 % of all main threads. Here the
 * last record of a connected peer, and the node's own, is remembered, and what adds nothing to it is not written.
 *
 * Nor are the addresses of a connected peer that others tell of, once it has told of its own with its signature: libp2p adds them,
 * and tells of all. So a node of the DHT that gave somebody wrong ones in each answer had everybody dial these first.
 */
export function rememberPeers(node: RememberingNode, nowMs = (): number => performance.now()): void {
  const { peerStore } = node;
  const known = new Map<string, { peer: Peer; atMs: number }>();
  /** Writes under way: what they change is not known before the last has ended. */
  const writing = new Map<string, number>();
  let begunWrites = 0;

  const find = (id: PeerId): Peer | undefined => {
    const last = known.get(id.toString());
    return last && nowMs() - last.atMs < GOOD_MS ? last.peer : undefined;
  };
  const keep = (id: PeerId, peer: Peer): void => {
    const key = id.toString();
    if (writing.has(key)) return;
    if (node.peerId.equals(id) || node.getConnections(id).length > 0) known.set(key, { peer, atMs: nowMs() });
  };
  const changing = async <T>(id: PeerId, change: () => T | Promise<T>): Promise<T> => {
    const key = id.toString();
    known.delete(key);
    begunWrites++;
    writing.set(key, (writing.get(key) ?? 0) + 1);
    try {
      return await change();
    } finally {
      const left = (writing.get(key) ?? 1) - 1;
      if (left > 0) writing.set(key, left);
      else writing.delete(key);
    }
  };

  const read = peerStore.get.bind(peerStore);
  peerStore.get = async (id, options) => {
    const found = find(id);
    if (found) return found;
    const begun = begunWrites;
    const peer = await read(id, options);
    // It may be from before a write that has ended meanwhile.
    if (begun === begunWrites) keep(id, peer);
    return peer;
  };
  for (const name of ['save', 'patch', 'merge'] as const) {
    const write = peerStore[name].bind(peerStore);
    peerStore[name] = async (id, data, options) => {
      const found = name === 'merge' ? find(id) : undefined;
      if (found && addsNothing(found, data)) return found;
      if (name === 'merge' && isHearsay(data)) {
        const own = found ?? (await signedBy(id));
        if (own?.addresses.some(({ isCertified }) => isCertified)) return own;
      }
      const peer = await changing(id, () => write(id, data, options));
      keep(id, peer);
      return peer;
    };
  }
  const signedBy = async (id: PeerId): Promise<Peer | undefined> =>
    node.getConnections(id).length > 0 ? peerStore.get(id).catch(() => undefined) : undefined;
  const remove = peerStore.delete.bind(peerStore);
  peerStore.delete = (id, options) => changing(id, () => remove(id, options));
  node.addEventListener('peer:disconnect', ({ detail }) => known.delete(detail.toString()));
}

/** Addresses and nothing else, as they come out of others' answers. */
function isHearsay({ multiaddrs, ...rest }: PeerData): boolean {
  return multiaddrs !== undefined && Object.keys(rest).length === 0;
}

function addsNothing(peer: Peer, { protocols, ...rest }: PeerData): boolean {
  return (
    protocols !== undefined &&
    Object.keys(rest).length === 0 &&
    protocols.every((protocol) => peer.protocols.includes(protocol))
  );
}
