/** How addresses begin that lead to the same machine only; to bridges of containers, mostly; and to a local network. */
const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1\/)/;
const BRIDGE = /^\/(ip4\/(172\.(1[6-9]|2\d|3[01])|169\.254)\.|ip6\/fe[89ab])/;
const LOCAL = /^\/(ip4\/(10|192\.168)\.|ip4\/100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|ip6\/f[cd])/;

/** A host, or the relay that an address leads through. */
const PLACE = /^\/[^/]+\/[^/]+/;
const RELAY = /\/p2p\/([^/]+)\/p2p-circuit/;

/**
 * A peer's addresses, those that lead to it from the most places first, and each host's in turn: only the first few are kept
 * and told. libp2p sorts them as texts, where a machine with two bridges of containers that listens for pages too has nine
 * before its own, and keeps one twice that was told with the peer's name once and once without.
 */
export function widestFirst(addresses: readonly string[]): string[] {
  const counts = new Map<string, number>();
  const placed = [...new Set(addresses)].map((address) => {
    const place = RELAY.exec(address)?.[1] ?? PLACE.exec(address)?.[0] ?? '';
    const turn = counts.get(place) ?? 0;
    counts.set(place, turn + 1);
    return { address, rank: rankOf(address), turn };
  });
  return placed.sort((a, b) => a.rank - b.rank || a.turn - b.turn).map(({ address }) => address);
}

function rankOf(address: string): number {
  if (RELAY.test(address)) return 1;
  if (LOOPBACK.test(address)) return 3;
  if (BRIDGE.test(address)) return 2;
  return LOCAL.test(address) ? 1 : 0;
}
