import { ShoalError } from '../errors.ts';
import { Bitfield } from '../swarm/core/bitfield.ts';
import { seededRng, type Rng } from '../swarm/core/rng.ts';
import type { Outcome, PeerOutcome, RunOptions, Sample } from './outcome.ts';
import type { Group, Moment, Scenario, ScenarioEvent } from './scenario.ts';
import type { SimNode } from './sim-node.ts';
import { IDENTITY_MS, isContributor, WHITEWASH_MS } from './strategy.ts';
import { World } from './world.ts';

/** The timeline has between so many samples and twice as many. */
const SAMPLES = 100;
const FIRST_SAMPLE_MS = 50;

/** Origins' bytes are looked at so often where an event waits for them. */
const WATCH_MS = 5;

/** Events between two looks at the abort signal. */
const EVENTS_A_TURN = 500_000;

/**
 * Runs a scenario in a simulated world. The real core of the exchange makes every decision; the same scenario and
 * seed give the same outcome on every machine.
 *
 * @throws the signal's reason
 */
export async function simulate(scenario: Scenario, options: RunOptions): Promise<Outcome> {
  options.signal?.throwIfAborted();
  const run = new Run(scenario, options.seed);
  const { wheel } = run.world;
  let turn = wheel.done + EVENTS_A_TURN;
  while (!run.isOver && wheel.step(scenario.limitSec * 1000)) {
    if (wheel.done < turn) continue;
    turn = wheel.done + EVENTS_A_TURN;
    await new Promise((resolve) => setTimeout(resolve, 0));
    options.signal?.throwIfAborted();
  }
  return run.outcome();
}

/** Bytes of a chunk where the scenario does not say: as an import chooses (SCHEDULING: `clamp(pow2ceil(F / 1024), 64 KiB, 1 MiB)`). */
export function chunkBytesOf({ fileBytes, chunkBytes }: Scenario): number {
  if (chunkBytes !== undefined) return chunkBytes;
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, fileBytes / 1024)));
  return Math.min(1 << 20, Math.max(1 << 16, wanted));
}

/** A scenario being played. */
class Run {
  readonly world: World;
  readonly #scenario: Scenario;
  readonly #seed: number;
  readonly #rng: Rng;
  readonly #peers: PeerOutcome[] = [];
  readonly #contributors: PeerOutcome[] = [];
  /** The node that plays each outcome now. */
  readonly #nodes = new Map<PeerOutcome, SimNode>();
  readonly #eventsMs: (number | undefined)[];
  /** Cuts and splits that last, in the order in which they began. One may end while another one lasts. */
  readonly #lasting = new Set<ScenarioEvent>();
  #waiting = 0;
  #timeline: Sample[] = [];
  #sampleMs = FIRST_SAMPLE_MS;

  constructor(scenario: Scenario, seed: number) {
    const chunkBytes = chunkBytesOf(scenario);
    const chunks = Math.ceil(scenario.fileBytes / chunkBytes);
    if (!(chunks > 0))
      throw new ShoalError(
        'ERR_BAD_SCENARIO',
        `${scenario.name} distributes nothing: give it a file of at least one byte`,
      );
    const sizes = new Uint32Array(chunks).fill(chunkBytes);
    sizes[chunks - 1] = scenario.fileBytes - (chunks - 1) * chunkBytes;
    this.#scenario = scenario;
    this.#seed = seed;
    this.#rng = seededRng(seed ^ 0x5eed);
    this.#eventsMs = scenario.events.map(() => undefined);
    const nodes = scenario.groups.reduce((sum, { count }) => sum + count, 0);
    this.world = new World({ seed, sizes, network: scenario.network, nodes });
    this.world.onComplete = (node) => this.#completed(node);
    for (const group of scenario.groups) this.#invite(group);
    scenario.events.forEach((event, index) => this.#schedule(event.when, () => this.#happen(event, index)));
    this.world.wheel.at(0, () => this.#sample());
  }

  /** Everybody who wants the file has it. */
  get isOver(): boolean {
    return this.#waiting === 0;
  }

  outcome(): Outcome {
    for (const [outcome, node] of this.#nodes) if (!node.isGone) outcome.links = node.links.size;
    this.#timeline.push(this.#look());
    return {
      scenario: this.#scenario,
      seed: this.#seed,
      traceHash: this.world.traceHash,
      endedMs: this.world.nowMs,
      peers: this.#peers,
      timeline: this.#timeline,
      chunksLost: this.#countLost(),
      eventsMs: this.#eventsMs,
    };
  }

  #invite(group: Group): void {
    const [from, to] = group.joinSec;
    for (let i = 0; i < group.count; i++) {
      const name = group.count === 1 ? group.name : `${group.name}-${i + 1}`;
      const joinedMs = 1000 * (group.count > 1 ? from + ((to - from) * i) / (group.count - 1) : from);
      const outcome: PeerOutcome = {
        name,
        group,
        joinedMs,
        completedMs: undefined,
        sentBytes: 0,
        receivedBytes: 0,
        controlBytes: 0,
        wastedBytes: 0,
        misbehaved: [],
        links: 0,
      };
      this.#peers.push(outcome);
      if (group.role === 'peer') {
        this.#waiting++;
        if (isContributor(group.strategy)) this.#contributors.push(outcome);
      }
      this.world.wheel.at(joinedMs, () => this.#join(outcome, name, this.#firstHave(group)));
    }
  }

  #firstHave(group: Group): Bitfield {
    const { length } = this.world.sizes;
    return group.role === 'peer' ? new Bitfield(length) : Bitfield.full(length);
  }

  #join(outcome: PeerOutcome, name: string, have: Bitfield): void {
    const { world } = this;
    const node = world.add(name, outcome.group, outcome, have);
    node.zone = this.#zoneOf(node);
    this.#nodes.set(outcome, node);
    // Those who come at the same moment hear of each other.
    world.wheel.at(world.nowMs + 1, () => world.introduce(node));
    const { strategy, churn } = outcome.group;
    if (strategy === 'whitewash') {
      world.wheel.at(world.nowMs + WHITEWASH_MS, () => this.#whitewash(outcome, node));
      world.wheel.at(world.nowMs + IDENTITY_MS, () => world.leave(node));
    }
    if (churn)
      world.wheel.at(world.nowMs + this.#exponential(churn.upSec), () =>
        this.#goAway(outcome, node, churn.downSec),
      );
  }

  #whitewash(outcome: PeerOutcome, node: SimNode): void {
    if (outcome.completedMs !== undefined) return;
    const have = node.have.clone();
    for (const other of this.world.nodes) {
      if (other.outcome !== outcome || other.isGone) continue;
      for (let chunk = 0; chunk < have.size; chunk++) if (other.have.has(chunk)) have.set(chunk);
    }
    this.#join(outcome, `${outcome.name}~${this.world.nodes.length}`, have);
  }

  #goAway(outcome: PeerOutcome, node: SimNode, downSec: number): void {
    if (node.isGone) return;
    this.world.leave(node);
    this.world.wheel.at(this.world.nowMs + this.#exponential(downSec), () => {
      this.#join(outcome, outcome.name, node.have.clone());
    });
  }

  #completed(node: SimNode): void {
    const { outcome, group } = node;
    if (group.role !== 'peer' || outcome.completedMs !== this.world.nowMs) return;
    this.#waiting--;
    if (!group.leavesWhenDone) return;
    this.world.wheel.at(this.world.nowMs, () => {
      for (const other of this.world.nodes) if (other.outcome === outcome) this.world.leave(other);
    });
  }

  #schedule(when: Moment, run: () => void): void {
    const { world } = this;
    if ('atSec' in when) {
      world.wheel.at(when.atSec * 1000, run);
      return;
    }
    const watch = () => {
      if (world.originBytes >= when.originSent * world.fileBytes) run();
      else world.wheel.at(world.nowMs + WATCH_MS, watch);
    };
    world.wheel.at(0, watch);
  }

  #happen(event: ScenarioEvent, index: number): void {
    const { world } = this;
    this.#eventsMs[index] = world.nowMs;
    this.#lasting.add(event);
    this.#divide();
    if (event.forSec === undefined) return;
    world.wheel.at(world.nowMs + event.forSec * 1000, () => {
      this.#lasting.delete(event);
      this.#divide();
    });
  }

  #divide(): void {
    this.world.divide((node) => this.#zoneOf(node));
  }

  #zoneOf({ group, index }: SimNode): number {
    let zone = 0;
    for (const event of this.#lasting) {
      // A node that is cut off is a part of its own.
      if (event.type === 'cut' && event.groups.includes(group.name)) return -1 - index;
      if (event.type === 'split') zone = event.parts.findIndex((part) => part.includes(group.name)) + 1;
    }
    return zone;
  }

  #exponential(meanSec: number): number {
    return -Math.log(1 - this.#rng()) * meanSec * 1000;
  }

  #sample(): void {
    this.#timeline.push(this.#look());
    if (this.#timeline.length >= 2 * SAMPLES) {
      this.#timeline = this.#timeline.filter((_, i) => i % 2 === 0);
      this.#sampleMs *= 2;
    }
    this.world.wheel.at(this.world.nowMs + this.#sampleMs, () => this.#sample());
  }

  #look(): Sample {
    let held = 0;
    let complete = 0;
    for (const outcome of this.#contributors) {
      held += this.#nodes.get(outcome)?.have.count ?? 0;
      if (outcome.completedMs !== undefined) complete++;
    }
    const progress = held / Math.max(1, this.#contributors.length * this.world.sizes.length);
    return {
      atMs: this.world.nowMs,
      progress,
      complete,
      originBytes: this.world.originBytes,
    };
  }

  /** Chunks that nobody who can be reached holds, though somebody wants them. */
  #countLost(): number {
    if (this.isOver) return 0;
    let lost = 0;
    const there = [...this.#nodes.values()].filter((node) => !node.isGone && node.zone >= 0);
    for (let chunk = 0; chunk < this.world.sizes.length; chunk++) {
      if (!there.some((node) => node.have.has(chunk))) lost++;
    }
    return lost;
  }
}
