import type { Connection, Libp2p, PeerId } from '@libp2p/interface';

/**
 * Whether files may go over a connection: one through a relay is limited, and only for finding each other (identify, WebRTC
 * signalling, DCUtR), which is what leads to another connection.
 */
export function isDirect(connection: Connection): boolean {
  return connection.limits === undefined;
}

/** An open connection to the peer that is not limited, now. */
export function findDirect(libp2p: Libp2p, peer: PeerId): Connection | undefined {
  return libp2p.getConnections(peer).find((each) => each.status === 'open' && isDirect(each));
}

/**
 * A connection to the peer that is not limited: the one given, or the one that the two ends make over it.
 *
 * @throws the abort reason
 */
export async function directConnection(
  libp2p: Libp2p,
  connection: Connection,
  signal: AbortSignal,
): Promise<Connection> {
  if (isDirect(connection)) return connection;
  const { remotePeer } = connection;
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const listening = new AbortController();
  const options = { signal: listening.signal };
  libp2p.addEventListener(
    'connection:open',
    ({ detail }) => {
      if (detail.remotePeer.equals(remotePeer) && isDirect(detail)) resolve(detail);
    },
    options,
  );
  const abort = (): void =>
    reject(
      new Error('it can be reached through a relay only, and no direct connection came about', {
        cause: signal.reason,
      }),
    );
  signal.addEventListener('abort', abort, options);
  const open = findDirect(libp2p, remotePeer);
  if (open) resolve(open);
  else if (signal.aborted) abort();
  try {
    return await promise;
  } finally {
    listening.abort();
  }
}
