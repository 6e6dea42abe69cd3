import type { Libp2p } from '@libp2p/interface';
import { isDirect } from '../swarm/direct-connection.ts';

/**
 * Ends connections through a relay to peers that a direct one leads to: it has done its part, and its place at the relay is
 * free for others. Once identify has gone over the direct one, so that both ends have it.
 */
export function endRelayed(libp2p: Libp2p, signal: AbortSignal): void {
  libp2p.addEventListener(
    'peer:identify',
    ({ detail: { connection } }) => {
      if (!isDirect(connection)) return;
      for (const other of libp2p.getConnections(connection.remotePeer)) {
        if (isDirect(other)) continue;
        other.close().catch((error: unknown) => other.abort(error as Error));
      }
    },
    { signal },
  );
}
