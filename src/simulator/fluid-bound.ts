import { MaxFlow } from './max-flow.ts';
import type { Group, Scenario, ScenarioEvent } from './scenario.ts';

/** A group whose peers join over a time is cut into so many cohorts, each counted from its first peer's joining. */
const COHORTS = 8;

/** Relative error of the bound. */
const PRECISION = 1e-7;

/** No schedule takes longer, seconds: a year. */
const LONGEST_SEC = 365 * 86_400;

/**
 * The least time in which all contributors can have the file, ms: what a crowd of perfect peers would need if
 * bits were a fluid. Contributors are the honest peers; cheats and free-riders are neither waited for nor
 * counted on (peers that hide what they have, or give little, do send, so that their uplinks count).
 *
 * Without events and with everybody there from the start this is Kumar and Ross's bound (2006),
 * `max(F / u_s, F / d_min, N × F / (u_s + Σ u_i))`, with `u_s` the origins' and seeds' uplinks.
 *
 * Otherwise time is cut where something changes, and the bound is the least T for which there is a flow (a
 * necessary condition, so the true optimum is never below it): in each interval and each part of a split network,
 * uplinks that are there carry bits to cohorts that are there, at most at their downlinks' (and disks') speed. By
 * the end of each interval a cohort has at most its number of peers times what is new to peers in its part by then:
 * what sources have sent, up to the split for a part without one. An origin that is cut after x files sends x
 * files in all (or pauses once it has, where it comes back), at its uplink's speed at most.
 *
 * What it leaves out makes it lower, never higher: round trips and headers, churn, TCP, the offload mode (which is
 * a preference, no limit), and cuts of peers and splits at a moment given in files (nobody says when that is).
 *
 * @returns Infinity where nobody can finish, such as with an origin cut before it sent one file
 */
export function fluidBoundMs(scenario: Scenario): number {
  const plain = plainBoundSec(scenario);
  const isLate = scenario.groups.some((group) => group.joinSec[1] > 0);
  if (scenario.events.length === 0 && !isLate) return plain * 1000;
  return searchSec(new Schedule(scenario), plain) * 1000;
}

/** Kumar and Ross's bound, seconds. */
function plainBoundSec(scenario: Scenario): number {
  const { groups, fileBytes } = scenario;
  const bits = fileBytes * 8;
  const contributors = contributorsOf(scenario);
  if (contributors.length === 0) return 0;
  const sources = sum(groups.filter(isSource), (group) => group.count * group.up);
  const helpers = sum(groups.filter(isHelper), (group) => group.count * group.up);
  const count = sum(contributors, (group) => group.count);
  const slowest = Math.min(...contributors.map(intake));
  return Math.max(bits / sources, bits / slowest, (count * bits) / (sources + helpers));
}

/** The least feasible end of the schedule, seconds; `least` is known to be too early or just right. */
function searchSec(schedule: Schedule, least: number): number {
  let from = least;
  if (schedule.suffices(from)) return from;
  let to = from * 2 + 1;
  while (!schedule.suffices(to)) {
    if (to > LONGEST_SEC) return Infinity;
    from = to;
    to *= 2;
  }
  while (to - from > PRECISION * to) {
    const middle = (from + to) / 2;
    if (schedule.suffices(middle)) to = middle;
    else from = middle;
  }
  return to;
}

/**
 * The groups that are waited for: honest peers, but for those whose links go down for good at some time. A share of few peers
 * may come to none.
 */
export function contributorsOf({ groups, events }: Scenario): Group[] {
  const isCutForGood = ({ name }: Group): boolean =>
    events.some((event) => event.type === 'cut' && event.forSec === undefined && event.groups.includes(name));
  return groups.filter(
    (group) =>
      group.count > 0 && group.role === 'peer' && group.strategy === 'honest' && !isCutForGood(group),
  );
}

function isSource(group: Group): boolean {
  return group.role !== 'peer' && group.strategy === 'honest';
}

/** Whether the group's peers send what they got. */
function isHelper({ role, strategy }: Group): boolean {
  return role === 'peer' && (strategy === 'honest' || strategy === 'hidden-haves' || strategy === 'minimal');
}

function intake(group: Group): number {
  return Math.min(group.down, group.diskBytesPerSec * 8);
}

interface Cohort {
  group: Group;
  count: number;
  fromSec: number;
}

interface Phase {
  fromSec: number;
  toSec: number;
}

/** A scenario's times in seconds and amounts in bits. */
class Schedule {
  readonly #bits: number;
  readonly #sources: readonly Group[];
  readonly #cohorts: readonly Cohort[];
  readonly #contributors: readonly Group[];
  readonly #events: readonly ScenarioEvent[];

  constructor(scenario: Scenario) {
    const { groups, events, fileBytes } = scenario;
    this.#contributors = contributorsOf(scenario);
    this.#bits = fileBytes * 8;
    this.#sources = groups.filter(isSource);
    this.#cohorts = groups.filter(isHelper).flatMap(cohortsOf);
    this.#events = events;
  }

  /** Whether all could be done by then. */
  suffices(endSec: number): boolean {
    const phases = this.#phases(endSec);
    const flow = new MaxFlow();
    const [start, end] = [flow.node(), flow.node()];
    const uplinks = phases.map(() => new Map<number, number>());
    const uplink = (phase: number, part: number): number => {
      const known = uplinks[phase]?.get(part);
      if (known !== undefined) return known;
      const made = flow.node();
      uplinks[phase]?.set(part, made);
      return made;
    };
    this.#addSources(flow, start, phases, uplink);
    this.#addHelpers(flow, start, phases, uplink);
    const demand = this.#addCohorts(flow, end, phases, uplink);
    return demand === 0 || flow.most(start, end, demand) >= demand * (1 - 1e-8);
  }

  /** Intervals in which nothing changes. */
  #phases(endSec: number): Phase[] {
    const moments = this.#cohorts.map((cohort) => cohort.fromSec);
    for (const source of this.#sources) {
      moments.push(
        source.joinSec[0],
        ...this.#limits(source).flatMap(({ atSec, forSec }) => [atSec, atSec + forSec]),
      );
    }
    for (const event of this.#events) {
      if ('atSec' in event.when)
        moments.push(event.when.atSec, event.when.atSec + (event.forSec ?? Infinity));
    }
    const inside = moments.filter((atSec) => atSec > 0 && atSec < endSec);
    const sorted = [...new Set([0, ...inside, endSec])].sort((a, b) => a - b);
    return sorted.slice(1).map((toSec, i) => ({ fromSec: sorted[i] as number, toSec }));
  }

  /** Sources: each sends at its uplink's speed while it is there, and within what its limits let it have sent. */
  #addSources(
    flow: MaxFlow,
    start: number,
    phases: Phase[],
    uplink: (phase: number, part: number) => number,
  ): void {
    for (const source of this.#sources) {
      const speed = source.count * source.up;
      let before: number | undefined;
      phases.forEach((phase, k) => {
        const node = flow.node();
        // What could have been sent and was not stays allowed; the uplink's speed bounds it below.
        if (before !== undefined) flow.edge(before, node, Infinity);
        flow.edge(start, node, this.#sent(source, phase.toSec) - this.#sent(source, phase.fromSec));
        if (this.#isThere(source, phase)) {
          flow.edge(node, uplink(k, this.#part(source, phase)), speed * (phase.toSec - phase.fromSec));
        }
        before = node;
      });
    }
  }

  #addHelpers(
    flow: MaxFlow,
    start: number,
    phases: Phase[],
    uplink: (phase: number, part: number) => number,
  ): void {
    for (const { group, count, fromSec } of this.#cohorts) {
      phases.forEach((phase, k) => {
        if (phase.fromSec < fromSec || !this.#isThere(group, phase)) return;
        const capacity = count * group.up * (phase.toSec - phase.fromSec);
        flow.edge(start, uplink(k, this.#part(group, phase)), capacity);
      });
    }
  }

  /** Contributors: a chain of nodes for each cohort, through which all flows that it has so far. */
  #addCohorts(
    flow: MaxFlow,
    end: number,
    phases: Phase[],
    uplink: (phase: number, part: number) => number,
  ): number {
    let demand = 0;
    for (const { group, count, fromSec } of this.#cohorts) {
      if (!this.#contributors.includes(group)) continue;
      demand += count * this.#bits;
      let before: number | undefined;
      phases.forEach((phase, k) => {
        const [gained, has] = [flow.node(), flow.node()];
        if (before !== undefined) flow.edge(before, gained, Infinity);
        if (phase.fromSec >= fromSec && this.#isThere(group, phase)) {
          const part = this.#part(group, phase);
          const most = Math.min(intake(group), this.#capacity(phase, part) - group.up);
          flow.edge(uplink(k, part), gained, count * most * (phase.toSec - phase.fromSec));
        }
        flow.edge(gained, has, count * this.#known(phase, this.#part(group, phase)));
        before = has;
      });
      if (before !== undefined) flow.edge(before, end, count * this.#bits);
    }
    return demand;
  }

  /** All uplinks of a part, bits per second: but for its own, a peer can use them all. */
  #capacity(phase: Phase, part: number): number {
    const isHere = (group: Group): boolean =>
      this.#isThere(group, phase) && this.#part(group, phase) === part;
    const joined = this.#cohorts.filter(({ group, fromSec }) => phase.fromSec >= fromSec && isHere(group));
    return (
      sum(this.#sources.filter(isHere), (group) => group.count * group.up) +
      sum(joined, ({ group, count }) => count * group.up)
    );
  }

  /** What can be known in a part at the end of an interval, bits: what its sources sent, and all did before the split. */
  #known(phase: Phase, part: number): number {
    const split = this.#splitIn(phase);
    const sinceSec = split && 'atSec' in split.when ? split.when.atSec : 0;
    let bits = 0;
    for (const source of this.#sources) {
      const isHere = !split || this.#part(source, phase) === part;
      bits += this.#sent(source, isHere ? phase.toSec : sinceSec);
    }
    return Math.min(this.#bits, bits);
  }

  /** The most that a source group can have sent by then, bits. */
  #sent(source: Group, atSec: number): number {
    const speed = source.count * source.up;
    const upSec = this.#upSec(source, atSec);
    let bits = speed * upSec;
    for (const limit of this.#limits(source)) {
      const resumed = speed * Math.max(0, Math.min(upSec, atSec - limit.forSec));
      bits = Math.min(bits, Math.max(limit.bits, resumed));
    }
    return bits;
  }

  /** How long a source was there by then: cuts at a given time taken off. */
  #upSec(source: Group, atSec: number): number {
    let sec = Math.max(0, atSec - source.joinSec[0]);
    for (const event of this.#events) {
      if (event.type !== 'cut' || !event.groups.includes(source.name) || !('atSec' in event.when)) continue;
      const from = Math.max(event.when.atSec, source.joinSec[0]);
      const to = Math.min(event.when.atSec + (event.forSec ?? Infinity), atSec);
      sec -= Math.max(0, to - from);
    }
    return sec;
  }

  /** Pauses of a source after so many bits sent: at the earliest at `atSec`. */
  #limits(source: Group): { bits: number; atSec: number; forSec: number }[] {
    return this.#events.flatMap((event) => {
      if (event.type !== 'cut' || !event.groups.includes(source.name) || !('originSent' in event.when))
        return [];
      const bits = event.when.originSent * this.#bits;
      const speed = sum(this.#sources, (other) => other.count * other.up);
      return [{ bits, atSec: bits / speed, forSec: event.forSec ?? Infinity }];
    });
  }

  #isThere(group: Group, phase: Phase): boolean {
    if (phase.fromSec < group.joinSec[0]) return false;
    return !this.#events.some(
      (event) => event.type === 'cut' && event.groups.includes(group.name) && isDuring(event, phase),
    );
  }

  #splitIn(phase: Phase): Extract<ScenarioEvent, { type: 'split' }> | undefined {
    return this.#events.filter((event) => event.type === 'split').find((event) => isDuring(event, phase));
  }

  /** The part of the network that a group is in: a number; without a split, 0. */
  #part(group: Group, phase: Phase): number {
    const split = this.#splitIn(phase);
    return split ? split.parts.findIndex((names) => names.includes(group.name)) + 1 : 0;
  }
}

/** Whether an event at a given time lasts through an interval. */
function isDuring(event: ScenarioEvent, phase: Phase): boolean {
  if (!('atSec' in event.when)) return false;
  const { atSec } = event.when;
  return phase.fromSec >= atSec && phase.toSec <= atSec + (event.forSec ?? Infinity);
}

function cohortsOf(group: Group): Cohort[] {
  const [from, to] = group.joinSec;
  const cohorts = from === to ? 1 : Math.min(COHORTS, group.count);
  return Array.from({ length: cohorts }, (_, i) => {
    const first = Math.ceil((i * group.count) / cohorts);
    const count = Math.ceil(((i + 1) * group.count) / cohorts) - first;
    return { group, count, fromSec: from + ((to - from) * first) / group.count };
  });
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
