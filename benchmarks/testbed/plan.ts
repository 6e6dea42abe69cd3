import type { Group, Scenario, ScenarioEvent } from '../../src/simulator/scenario.ts';
import { QUEUE_MS, type HostPlan } from './network.ts';

/** Below this the bridge's own round trip is meant, and no delay line is put in. */
const LEAST_DELAY_MS = 1;

/** A line of so many bits per second or more is not shaped: the machine would be what is measured. */
const UNSHAPED_FROM = 1e9;

/** A host with what it does in the scenario. */
export interface Member extends HostPlan {
  group: Group;
  /** Seconds after the go signal. */
  joinSec: number;
}

/** A scenario as the test bed runs it. */
export interface Plan {
  members: readonly Member[];
  /** 0: no delay line. */
  rttMs: number;
  /** What the scenario says and the test bed leaves out, a sentence each. */
  notes: readonly string[];
}

/**
 * Turns a scenario into hosts.
 * @throws Error for what cannot be run here, since without it the figures would be another scenario's
 */
export function planOf(scenario: Scenario): Plan {
  refuse(scenario);
  const parts = partsOf(scenario.events);
  const members = scenario.groups.flatMap((group) =>
    Array.from({ length: group.count }, (_, i) => ({
      group,
      name: group.count === 1 ? group.name : `${group.name}-${i + 1}`,
      up: shaped(group.up),
      down: shaped(group.down),
      part: parts.findIndex((part) => part.includes(group.name)) + 1,
      joinSec: joinSecOf(group, i),
    })),
  );
  const [least, most] = scenario.network.rttMs;
  const rttMs = (least + most) / 2;
  return { members, rttMs: rttMs < LEAST_DELAY_MS ? 0 : rttMs, notes: notesOn(scenario) };
}

/** Evenly spread, as the simulator does it. */
function joinSecOf({ count, joinSec: [from, to] }: Group, index: number): number {
  return count > 1 ? from + ((to - from) * index) / (count - 1) : from;
}

function shaped(bitsPerSec: number): number {
  return bitsPerSec >= UNSHAPED_FROM ? Infinity : bitsPerSec;
}

function refuse({ name, groups, events }: Scenario): void {
  const no = (why: string): never => {
    throw new Error(`the test bed cannot run "${name}": ${why}; the simulator can`);
  };
  for (const { name: group, strategy, mode } of groups) {
    if (strategy !== 'honest' && strategy !== 'free-rider')
      no(`peers of group "${group}" play ${strategy}, which no real program does`);
    if (mode !== 'normal') no(`group "${group}" is in mode ${mode}`);
  }
  const splits = events.filter((event) => event.type === 'split');
  if (new Set(splits.map((split) => JSON.stringify(split.parts))).size > 1)
    no('it splits into different parts at different times, and the bridges are laid once');
  if (groups.every((group) => group.role !== 'origin')) no('it has no origin');
}

function partsOf(events: readonly ScenarioEvent[]): readonly (readonly string[])[] {
  return events.find((event) => event.type === 'split')?.parts ?? [];
}

function notesOn({ network, groups }: Scenario): string[] {
  const notes: string[] = [];
  const [least, most] = network.rttMs;
  if (least !== most)
    notes.push(`one round trip of ${(least + most) / 2} ms in place of ${least}–${most} ms`);
  if (network.loss > 0) notes.push('only full queues lose packets: loss is the simulator’s');
  if (network.rttError > 0 || network.rttLateMs > 0)
    notes.push(
      'round trips are measured by the systems themselves: rttError and rttLate are the simulator’s',
    );
  if (network.queueMs > 0 && network.queueMs !== QUEUE_MS) notes.push(`uplinks queue for ${QUEUE_MS} ms`);
  if (groups.some((group) => group.diskBytesPerSec !== Infinity))
    notes.push('files lie in memory: disk speeds are the simulator’s');
  return notes;
}
