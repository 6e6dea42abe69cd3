import type { Outcome, PeerOutcome } from '../../src/simulator/outcome.ts';
import { parseScenario } from '../../src/simulator/parse-scenario.ts';

/** One megabyte; the bound is 8 s: the origin's uplink. Four contributors, and two free-riders. */
const SCENARIO = parseScenario(
  `file: 1 MB
groups:
  - { name: origin, role: origin, up: 1 Mbit/s }
  - { name: peers, count: 4, up: 1 Mbit/s }
  - { name: riders, count: 2, up: 1 Mbit/s, strategy: free-rider }
`,
  'made.yaml',
);

const MB = 1_000_000;

/**
 * An outcome made by hand.
 *
 * @param doneSec when the four contributors and the two free-riders were complete; undefined: never
 */
export function madeOutcome(doneSec: readonly (number | undefined)[], seed = 1): Outcome {
  const [origin, peers, riders] = SCENARIO.groups;
  if (!origin || !peers || !riders) throw new Error('three groups');
  const peerOf = (at: Partial<PeerOutcome> & Pick<PeerOutcome, 'name' | 'group'>): PeerOutcome => ({
    joinedMs: 0,
    completedMs: undefined,
    sentBytes: 0,
    receivedBytes: 0,
    controlBytes: 0,
    wastedBytes: 0,
    misbehaved: [],
    links: 0,
    ...at,
  });
  const others = doneSec.map((sec, i) =>
    peerOf({
      name: `${i < 4 ? 'peer' : 'rider'}-${i}`,
      group: i < 4 ? peers : riders,
      completedMs: sec === undefined ? undefined : sec * 1000,
      sentBytes: i < 4 ? MB : 0,
      receivedBytes: 1.25 * MB,
      controlBytes: 1500,
      wastedBytes: 0.25 * MB,
      misbehaved: i === 0 ? [{ peer: 'rider-4', code: 'ERR_PEER_FLOOD', atMs: 5 }] : [],
    }),
  );
  const sharer = peerOf({ name: 'origin', group: origin, sentBytes: 2 * MB, controlBytes: 3000 });
  return {
    scenario: SCENARIO,
    seed,
    traceHash: 'abc',
    endedMs: 40_000,
    peers: [sharer, ...others],
    timeline: [0, 10, 20, 40].map((sec) => ({
      atMs: sec * 1000,
      progress: sec / 40,
      complete: sec / 10,
      originBytes: (sec / 20) * MB,
    })),
    chunksLost: doneSec.includes(undefined) ? 3 : 0,
    eventsMs: [],
  };
}
