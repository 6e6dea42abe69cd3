import { identify, type Identify } from '@libp2p/identify';
import type { Connection, Libp2pEvents, TypedEventTarget } from '@libp2p/interface';
import { latestWord } from './latest-word.ts';
import { overridden } from './overridden.ts';
import { sleep } from './sleep.ts';

type Components = Parameters<ReturnType<typeof identify>>[0] & {
  events: TypedEventTarget<Libp2pEvents>;
};

/** libp2p's own limit of one attempt; the pause after it is as long, and both double each time. */
const FIRST_MS = 5000;
const LATEST_MS = 60_000;

/** What {@link patientIdentify} takes. */
export interface PatientIdentifyOptions {
  /** Who is asked to introduce itself. Default: the peer at the other end of each connection. */
  isFor?: (connection: Connection) => boolean;
  /** How long the first attempt may take. Default: 5,000 ms. */
  firstMs?: number;
}

/**
 * identify, asked for again for as long as the connection stays open and the peer has not introduced itself. The stock one
 * asks once: where the answer takes more than five seconds (a machine that starts twenty pages) it is never known what that
 * peer speaks, so that a page does not reserve on the one relay it has and is never found, and the DHT does without the peer.
 */
export function patientIdentify(options: PatientIdentifyOptions = {}): (components: Components) => Identify {
  const { isFor = () => true, firstMs = FIRST_MS } = options;
  const make = identify({ runOnConnectionOpen: false });
  return (components) => {
    const service = make(overridden(components, { peerStore: latestWord(components.peerStore) }));
    components.events.addEventListener('connection:open', ({ detail }) => {
      if (isFor(detail)) void keepAsking(service, detail, firstMs);
    });
    return service;
  };
}

async function keepAsking(service: Identify, connection: Connection, firstMs: number): Promise<void> {
  const closed = new AbortController();
  connection.addEventListener('close', () => closed.abort(), { once: true });
  for (let ms = firstMs; connection.status === 'open'; ms = Math.min(2 * ms, LATEST_MS)) {
    try {
      await service.identify(connection, { signal: AbortSignal.timeout(ms) });
      return;
    } catch {
      await sleep(ms, closed.signal);
    }
  }
}
