import { readFileSync } from 'node:fs';
import { parseStat } from '../process-stat.ts';
import { output } from './ip.ts';
import type { Host } from './network.ts';

/** Bytes that crossed an interface, whole Ethernet frames. */
export interface Traffic {
  sent: number;
  received: number;
}

/** The figure in a file of /sys/class/net/…/statistics. @throws Error for anything but a whole number */
export function parseCounter(text: string, path: string): number {
  if (!/^\d+\n?$/.test(text))
    throw new Error(`${path} holds ${JSON.stringify(text)} and not a count of bytes`);
  return Number(text);
}

function counter(link: string, name: 'rx_bytes' | 'tx_bytes'): number {
  const path = `/sys/class/net/${link}/statistics/${name}`;
  return parseCounter(readFileSync(path, 'utf8'), path);
}

/** What a link has carried since it was made, seen from the host: what the bridge's side received is what it sent. */
export function trafficOf(host: Pick<Host, 'link'>): Traffic {
  return { sent: counter(host.link, 'rx_bytes'), received: counter(host.link, 'tx_bytes') };
}

/** Jiffies in which the processors were busy, and all. From the first line of /proc/stat, proc(5). */
export function parseCpu(stat: string): { busy: number; all: number } {
  const fields = (stat.split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((sum, each) => sum + each, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { busy: all - idle, all };
}

/** Ids of everything that runs in the hosts' namespaces. */
export async function processesOf(hosts: readonly Host[]): Promise<number[]> {
  const lists = await Promise.all(hosts.map(({ namespace }) => output('ip', 'netns', 'pids', namespace)));
  return lists.flatMap((list) => list.split('\n').filter(Boolean)).map(Number);
}

/** Processor time of some processes; what one used that has ended is remembered from before. */
class CpuClock {
  readonly #seconds = new Map<number, number>();

  constructor(pids: readonly number[]) {
    for (const pid of pids) this.#seconds.set(pid, 0);
  }

  read(): number {
    let sum = 0;
    for (const [pid, before] of this.#seconds) {
      const now = cpuSecOf(pid) ?? before;
      this.#seconds.set(pid, now);
      sum += now;
    }
    return sum;
  }
}

function cpuSecOf(pid: number): number | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')).cpuSec;
  } catch {
    return undefined;
  }
}

/** Interface counters and processor load over a run, sampled evenly; kept for finding out what was waited for. */
export interface Timeline {
  everyMs: number;
  /** Moment of each sample, ms after go. */
  atMs: number[];
  /** Share of all processors that was busy since the sample before, 0 to 1. */
  cpu: number[];
  /** Seconds of processor time since go that the processes used which were up at go. */
  cpuSec: number[];
  /** By host: bytes since go. */
  sent: Record<string, number[]>;
  received: Record<string, number[]>;
  /** Bytes since go over each trunk between parts, both ways. */
  trunks: number[][];
}

/** Often enough to see a link fall idle, seldom enough to cost nothing. */
const SAMPLE_MS = 100;

/** Takes the timeline of a run, from now on. */
export class Recorder {
  readonly timeline: Timeline = {
    everyMs: SAMPLE_MS,
    atMs: [],
    cpu: [],
    cpuSec: [],
    sent: {},
    received: {},
    trunks: [],
  };
  readonly #hosts: readonly Host[];
  readonly #trunks: readonly string[];
  readonly #start = performance.now();
  readonly #base: Traffic[];
  readonly #trunkBase: number[];
  readonly #timer: NodeJS.Timeout;
  #cpu = parseCpu(readFileSync('/proc/stat', 'utf8'));
  readonly #clock: CpuClock;
  readonly #clockBase: number;

  constructor(hosts: readonly Host[], trunks: readonly string[], pids: readonly number[]) {
    this.#clock = new CpuClock(pids);
    this.#clockBase = this.#clock.read();
    this.#hosts = hosts;
    this.#trunks = trunks;
    this.#base = hosts.map(trafficOf);
    this.#trunkBase = trunks.map(trunkBytes);
    this.timeline.trunks = trunks.map(() => []);
    for (const { name } of hosts) {
      this.timeline.sent[name] = [];
      this.timeline.received[name] = [];
    }
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** What a host has sent and received since the start. */
  since(host: Host): Traffic {
    const base = this.#base[this.#hosts.indexOf(host)] as Traffic;
    const now = trafficOf(host);
    return { sent: now.sent - base.sent, received: now.received - base.received };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    const { timeline } = this;
    const cpu = parseCpu(readFileSync('/proc/stat', 'utf8'));
    timeline.atMs.push(Math.round(performance.now() - this.#start));
    timeline.cpu.push(
      Number(((cpu.busy - this.#cpu.busy) / Math.max(1, cpu.all - this.#cpu.all)).toFixed(2)),
    );
    this.#cpu = cpu;
    timeline.cpuSec.push(Number((this.#clock.read() - this.#clockBase).toFixed(2)));
    for (const host of this.#hosts) {
      const { sent, received } = this.since(host);
      timeline.sent[host.name]?.push(sent);
      timeline.received[host.name]?.push(received);
    }
    for (const [i, trunk] of this.#trunks.entries())
      timeline.trunks[i]?.push(trunkBytes(trunk) - (this.#trunkBase[i] ?? 0));
  }
}

function trunkBytes(link: string): number {
  return counter(link, 'rx_bytes') + counter(link, 'tx_bytes');
}
