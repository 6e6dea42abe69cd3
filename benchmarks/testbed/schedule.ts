import type { Moment, Scenario, ScenarioEvent } from '../../src/simulator/scenario.ts';
import type { Recorder } from './counters.ts';
import { WIRE_FACTOR, type Host, type Network } from './network.ts';
import type { Member } from './plan.ts';

/** The origin's counter is read this often for events that hang on it: 12 KiB at 20 Mbit/s, far below 0.01 F. */
const WATCH_MS = 5;

/** What the schedule acts upon. */
export interface Stage {
  network: Network;
  recorder: Recorder;
  hosts: readonly { member: Member; host: Host }[];
  /** Resolves after so long; rejects when the run is over. */
  sleep: (sec: number) => Promise<void>;
  secSinceGo: () => number;
}

/** What the origins have put on the wire since go, in files on the wire. */
export function originFiles(
  { hosts, recorder }: Pick<Stage, 'hosts' | 'recorder'>,
  fileBytes: number,
): number {
  const sent = hosts
    .filter(({ member }) => member.group.role === 'origin')
    .reduce((sum, { host }) => sum + recorder.since(host).sent, 0);
  return sent / (fileBytes * WIRE_FACTOR);
}

/**
 * Makes a scenario's events happen.
 * @param happened called with the event's number and the moment, and for a split that has healed with `healed`
 */
export async function playEvents(
  { events, fileBytes }: Pick<Scenario, 'events' | 'fileBytes'>,
  stage: Stage,
  happened: (index: number, sec: number, what: 'begun' | 'healed') => void,
): Promise<void> {
  const lasting = new Set<ScenarioEvent>();
  await Promise.all(
    events.map(async (event, index) => {
      await reach(event.when, stage, fileBytes);
      lasting.add(event);
      await act(event, stage, lasting);
      happened(index, stage.secSinceGo(), 'begun');
      if (event.forSec === undefined) return;
      await stage.sleep(event.forSec);
      lasting.delete(event);
      await act(event, stage, lasting);
      happened(index, stage.secSinceGo(), 'healed');
    }),
  );
}

async function reach(when: Moment, stage: Stage, fileBytes: number): Promise<void> {
  if ('atSec' in when) return stage.sleep(when.atSec);
  while (originFiles(stage, fileBytes) < when.originSent) await stage.sleep(WATCH_MS / 1000);
}

/** An event has begun, or is over: what it concerns is up where none of those that last says otherwise. */
async function act(
  event: ScenarioEvent,
  { network, hosts }: Stage,
  lasting: ReadonlySet<ScenarioEvent>,
): Promise<void> {
  const others = [...lasting];
  if (event.type === 'split') return network.setSplit(others.some(({ type }) => type === 'split'));
  for (const { member, host } of hosts) {
    const { name } = member.group;
    if (!event.groups.includes(name)) continue;
    await network.setLink(host, !others.some((other) => other.type === 'cut' && other.groups.includes(name)));
  }
}
