import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, mkdirSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fluidBoundMs } from '../../src/simulator/fluid-bound.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';
import { seededRng } from '../../src/swarm/core/rng.ts';
import { writeRandomFile } from '../random-file.ts';
import { Recorder, processesOf } from './counters.ts';
import { CrowdPeer, churn, startSources } from './crowd.ts';
import { Network, type Host } from './network.ts';
import { crossedAfter, lastOf, type BedOutcome, type NodeOutcome } from './outcome.ts';
import { planOf, type Member, type Plan } from './plan.ts';
import { takePrecedence } from './precedence.ts';
import { originFiles, playEvents, type Stage } from './schedule.ts';
import { ownTurn } from './sweep.ts';
import type { Content, Session, System } from './system.ts';

/** Neighbours that a peer is told of besides the origin where the scenario says so: SCHEDULING's degree. */
const DEGREE = 30;

/** Nothing starts slower than this, also on a machine that does something else: then the run is given up. */
const START_UP_LIMIT_SEC = 120;

/** Settings of one run. */
export interface BedRun {
  /** Number of the run: also the seed of what is drawn at random (churn, who knows whom). */
  run: number;
  signal: AbortSignal;
  /** A folder in which the nodes' logs are kept; undefined: they vanish with the run. */
  logs?: string | undefined;
  /** Called where another test bed has to end first. */
  onWait?: (() => void) | undefined;
}

/**
 * Runs one scenario with one system once: builds the network, starts everything, gives the go signal, makes the
 * scenario's events happen, and takes all down again whatever happens.
 */
export async function runScenario(scenario: Scenario, system: System, options: BedRun): Promise<BedOutcome> {
  const plan = planOf(scenario);
  const version = await system.version();
  await ownTurn(options.signal, options.onWait ?? ((): void => {}));
  using _precedence = takePrecedence();
  const loadBefore = loadavg()[0] ?? 0;
  const services = { name: 'services', up: Infinity, down: Infinity, part: 0 };
  const network = await Network.create([...plan.members, services], plan.rttMs);
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  let session: Session | undefined;
  let played: Played;
  try {
    const content = await makeContent(scenario, network.folder);
    const folder = join(network.folder, 'system');
    mkdirSync(folder);
    session = await system.prepare(content, { folder, services: network.hosts.at(-1) as Host, signal });
    const run = { scenario, plan, network, session, content, signal, seed: options.run };
    played = await play(run);
  } finally {
    over.abort(new Error('the run is over'));
    await session?.close();
    if (options.logs !== undefined)
      keepLogs(network, join(options.logs, `${scenario.name}-${system.name}-${options.run}`));
    await network.close();
  }
  return {
    system: system.name,
    version,
    scenario: scenario.name,
    run: options.run,
    fileBytes: scenario.fileBytes,
    boundSec: fluidBoundMs(scenario) / 1000,
    loadBefore,
    delayLineDrops: network.delayLineDrops,
    notes: plan.notes,
    ...played,
  };
}

/** Copies what the nodes wrote to standard error. */
function keepLogs(network: Network, folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const host of network.hosts) {
    for (const name of readdirSync(host.folder).filter((name) => name.endsWith('.log')))
      copyFileSync(join(host.folder, name), join(folder, `${host.name}.${name}`));
  }
}

interface Run {
  scenario: Scenario;
  plan: Plan;
  network: Network;
  session: Session;
  content: Content;
  signal: AbortSignal;
  seed: number;
}

type Played = Pick<
  BedOutcome,
  | 'startUpSec'
  | 'ownCpu'
  | 'lastSec'
  | 'originFiles'
  | 'eventsSec'
  | 'crossedAfterSec'
  | 'cpu'
  | 'nodes'
  | 'timeline'
>;

async function play(run: Run): Promise<Played> {
  const { scenario, plan, network, session, content, signal, seed } = run;
  const hosts = plan.members.map((member, i) => ({ member, host: network.hosts[i] as Host }));
  const starting = performance.now();
  const peers = await inTime(startAll(hosts, session), signal);
  const startUpSec = (performance.now() - starting) / 1000;

  const pids = await processesOf(network.hosts);
  const recorder = new Recorder(
    hosts.map(({ host }) => host),
    network.trunks,
    pids,
  );
  const goAt = performance.now();
  const secSinceGo = (): number => (performance.now() - goAt) / 1000;
  const ended = new AbortController();
  const sleep = async (sec: number): Promise<void> => {
    await delay(sec * 1000, undefined, { signal: AbortSignal.any([signal, ended.signal]) });
  };
  const stage: Stage = { network, recorder, hosts, sleep, secSinceGo };
  const eventsSec: (number | undefined)[] = scenario.events.map(() => undefined);
  let healedSec: number | undefined;
  const events = playEvents(scenario, stage, (index, sec, what) => {
    if (what === 'begun') eventsSec[index] = sec;
    else if (scenario.events[index]?.type === 'split') healedSec = sec;
  });
  try {
    const lives = peers.map((peer) => live(peer, knownTo(peer, hosts, scenario, seed), sleep, seed));
    // An event or a restart that fails ends the run; one that is interrupted because the run ended does not.
    await Promise.race([
      Promise.all(peers.map((peer) => peer.over)),
      delay(scenario.limitSec * 1000, undefined, { signal }),
      ...[events, ...lives].map((each) => each.then(() => new Promise<never>(() => {}))),
    ]);
    await untilCrossed(recorder, healedSec, sleep);
  } finally {
    ended.abort();
    recorder.stop();
    await Promise.allSettled([events]);
  }
  const nodes = await judge(hosts, peers, recorder, goAt, content);
  const { timeline } = recorder;
  return {
    ownCpu: (timeline.cpuSec.at(-1) ?? 0) / ((timeline.atMs.at(-1) ?? 1) / 1000) / availableParallelism(),
    startUpSec,
    lastSec: lastOf(nodes),
    originFiles: originFiles(stage, scenario.fileBytes),
    eventsSec,
    crossedAfterSec: healedSec === undefined ? undefined : crossedAfter(timeline, healedSec),
    cpu: timeline.cpu.reduce((sum, each) => sum + each, 0) / Math.max(1, timeline.cpu.length),
    nodes,
    timeline,
  };
}

/** The last sample may be older than the finish. */
async function untilCrossed(
  recorder: Recorder,
  healedSec: number | undefined,
  sleep: (sec: number) => Promise<void>,
): Promise<void> {
  if (healedSec !== undefined) await sleep((2 * recorder.timeline.everyMs) / 1000);
}

async function startAll(
  hosts: readonly { member: Member; host: Host }[],
  session: Session,
): Promise<CrowdPeer[]> {
  await startSources(
    hosts.filter(({ member }) => member.group.role !== 'peer'),
    session,
  );
  const peers = hosts
    .filter(({ member }) => member.group.role === 'peer')
    .map(({ member, host }) => new CrowdPeer(member, host, session));
  await Promise.all(peers.map((peer) => peer.start()));
  return peers;
}

async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = delay(START_UP_LIMIT_SEC * 1000, undefined, { signal, ref: false }).then(() => {
    throw new Error(`not all processes were up after ${START_UP_LIMIT_SEC} s; is the machine overloaded?`);
  });
  return Promise.race([work, late]);
}

async function live(
  peer: CrowdPeer,
  known: readonly Host[],
  sleep: (sec: number) => Promise<void>,
  seed: number,
): Promise<void> {
  if (peer.member.joinSec > 0) await sleep(peer.member.joinSec);
  peer.go(known);
  await churn(peer, known, numbersFor(`churn ${peer.member.name}`, seed), sleep);
}

/**
 * The origins, and where the scenario says so as many random others as a neighbourhood has. Who comes later knows
 * one peer at least: the one from whom it has the link (and for systems that cannot be told, the tracker knows).
 */
function knownTo(
  peer: CrowdPeer,
  hosts: readonly { member: Member; host: Host }[],
  { network }: Scenario,
  seed: number,
): Host[] {
  const origins = hosts.filter(({ member }) => member.group.role === 'origin').map(({ host }) => host);
  const least = peer.member.joinSec > 0 ? 1 : 0;
  const count = network.meet === 'origin' ? least : DEGREE;
  const random = numbersFor(`meet ${peer.member.name}`, seed);
  const others = hosts
    .filter(
      ({ host, member }) =>
        host !== peer.host && !origins.includes(host) && member.joinSec <= peer.member.joinSec,
    )
    .map(({ host }) => ({ host, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, count);
  return [...origins, ...others.map(({ host }) => host)];
}

function numbersFor(purpose: string, seed: number): () => number {
  return seededRng(createHash('sha256').update(`${purpose} ${seed}`).digest().readUInt32LE());
}

async function makeContent(scenario: Scenario, folder: string): Promise<Content> {
  const name = 'content.bin';
  mkdirSync(join(folder, 'content'));
  const path = join(folder, 'content', name);
  await writeRandomFile(path, scenario.fileBytes);
  return {
    path,
    name,
    bytes: scenario.fileBytes,
    sha256: await sha256Of(path),
    chunkBytes: scenario.chunkBytes,
  };
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(part as Buffer);
  return hash.digest('hex');
}

/** Counts, and looks at the files that are said to be complete. */
async function judge(
  hosts: readonly { member: Member; host: Host }[],
  peers: readonly CrowdPeer[],
  recorder: Recorder,
  goAt: number,
  content: Content,
): Promise<NodeOutcome[]> {
  const nodes: NodeOutcome[] = [];
  for (const { member, host } of hosts) {
    const { sent, received } = recorder.since(host);
    const peer = peers.find((each) => each.host === host);
    const finishedAt = peer?.finishedAt;
    nodes.push({
      name: member.name,
      group: member.group.name,
      role: member.group.role,
      freeRider: member.group.strategy === 'free-rider',
      up: member.group.up,
      down: member.group.down,
      joinSec: member.joinSec,
      finishedSec: finishedAt === undefined ? undefined : (finishedAt - goAt) / 1000,
      correct: peer && finishedAt !== undefined ? await isCorrect(peer.path, content) : undefined,
      failure: peer?.failure,
      sentBytes: sent,
      receivedBytes: received,
    });
  }
  return nodes;
}

async function isCorrect(path: string, content: Content): Promise<boolean> {
  try {
    return statSync(path).size === content.bytes && (await sha256Of(path)) === content.sha256;
  } catch {
    return false;
  }
}
