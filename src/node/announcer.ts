import { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import { flatText } from '../store/flat-text.ts';
import { letExit } from '../swarm/let-exit.ts';
import { WALK_TIMEOUT_MS } from './dht-search.ts';
import { ProvideSweep } from './provide-sweep.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';
import { TaskSet } from './task-set.ts';

/** Walks for single roots under way at once. */
const CONCURRENCY = 4;

/** From so many roots on that wait they are announced together: see {@link ProvideSweep}. */
const SWEEP_ROOTS = 16;

/** Records live 48 hours at their keepers (IPFS Kademlia spec), and keepers come and go; a few hours keep it found. */
const REPROVIDE_MS = 4 * 3_600_000;

/**
 * Whether that long has passed is looked at so often. A machine that sleeps, and its timers with it, is forgotten meanwhile: it
 * shows by the clock on the wall.
 */
const LOOK_MS = 5 * 60_000;

/** What nobody could be told of is announced again after this, and then each time after twice as long, up to the latter. */
const AGAIN_FIRST_MS = 30_000;
const AGAIN_LAST_MS = 15 * 60_000;

/**
 * The node's addresses stand in what it announces, and keepers that are not connected hear of no others: it announces anew so
 * long after they changed. Those that were told and have been connected since are passed over where many are announced.
 */
const MOVED_MS = 5 * 60_000;

/** While the DHT is this small each new member may be the one that others ask: roots are announced again when one comes. */
const SMALL_DHT_PEERS = 20;

/**
 * New members come in bursts: announcing waits until none has come for so long, times the members there are (half a
 * second for the first, five seconds for a crowd of ten). It costs a walk and a message to every node of a small DHT, for
 * each root, and a crowd that forms has better to do.
 */
const QUIET_MS = 500;

/** They may come in a stream: then it waits so long at most. */
const LATEST_MS = 15_000;

/** What an {@link Announcer} works with. */
export interface AnnouncerHost {
  libp2p: ShoalLibp2p;
  network: string;
  log: (level: LogLevel, message: string) => void;
  /** ms since 1970. Default: `Date.now` */
  clockMs?: () => number;
}

/** Announces in the DHT what this node provides, now and again. Made by nodes that have one; a web page has none. */
export class Announcer {
  readonly #host: AnnouncerHost;
  readonly #stop = new AbortController();
  readonly #sweep: ProvideSweep;
  /** As texts: a CID has three arrays, of 10,000 assets some ten megabytes. */
  readonly #provided = new Set<string>();
  /** Roots that wait. */
  readonly #queue = new Set<string>();
  /** Roots that nobody could be told of: they wait for {@link #again}. */
  readonly #untold = new Set<string>();
  readonly #tasks: TaskSet;
  #members = 0;
  #workers = 0;
  #isSweeping = false;
  /** When the last member of a small DHT came, and since when announcing waits for quiet. */
  #memberAtMs = -Infinity;
  #unquietSinceMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #againMs = AGAIN_FIRST_MS;
  #interval: NodeJS.Timeout | undefined;
  #moved: NodeJS.Timeout | undefined;
  /** When all was announced to everybody, by the clocks that stand still while the machine sleeps, or may be set. */
  #begun: readonly number[] = [];
  /** Where this node was when all was announced. */
  #addresses = '';

  constructor(host: AnnouncerHost) {
    this.#host = host;
    this.#sweep = new ProvideSweep(host.libp2p, host.network, host.log);
    this.#tasks = new TaskSet((error) => {
      if (!this.#stop.signal.aborted) host.log('debug', `announcing: ${String(error)}`);
    });
  }

  start(): void {
    this.#begun = this.#times;
    this.#interval = setInterval(() => this.#look(), LOOK_MS);
    letExit(this.#interval);
    const { signal } = this.#stop;
    this.#addresses = this.#addressesNow;
    this.#host.libp2p.addEventListener('self:peer:update', () => this.#handleMove(), { signal });
  }

  /** From now on this node is a provider of a root. Root CIDs only. */
  provide(root: CID): void {
    const key = root.toString();
    if (this.#provided.has(key)) return;
    const kept = flatText(key);
    this.#provided.add(kept);
    this.#enqueue(kept);
  }

  /** Stops announcing a root. Its records at others run out by themselves. */
  unprovide(root: CID): void {
    const key = root.toString();
    if (!this.#provided.delete(key)) return;
    this.#queue.delete(key);
    const { dht } = this.#host.libp2p.services;
    if (dht) this.#tasks.run(dht.cancelReprovide(root));
  }

  /** The DHT gained a member. @param members that it has now */
  memberCame(members: number): void {
    this.#members = members;
    if (members > SMALL_DHT_PEERS) return;
    const nowMs = performance.now();
    if (this.#quietAtMs <= nowMs) this.#unquietSinceMs = nowMs;
    this.#memberAtMs = nowMs;
    for (const key of this.#provided) this.#queue.add(key);
    this.#announceWhenQuiet();
  }

  /** A member is gone. */
  memberLeft(peer: string, members: number): void {
    this.#members = members;
    this.#sweep.forget(peer);
  }

  /** Ends everything that is under way, and waits for it. */
  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#again);
    clearTimeout(this.#moved);
    clearInterval(this.#interval);
    this.#queue.clear();
    await this.#tasks.ended();
  }

  #look(): void {
    const times = this.#times;
    if (!times.some((ms, clock) => ms - (this.#begun[clock] ?? 0) >= REPROVIDE_MS)) return;
    this.#begun = times;
    this.#sweep.forgetAll();
    this.#announceAll();
  }

  get #times(): number[] {
    const { clockMs = Date.now } = this.#host;
    return [performance.now(), clockMs()];
  }

  #handleMove(): void {
    this.#moved ??= setTimeout(() => {
      this.#moved = undefined;
      if (this.#addressesNow !== this.#addresses) this.#announceAll();
    }, MOVED_MS);
    letExit(this.#moved);
  }

  get #addressesNow(): string {
    return this.#host.libp2p.getMultiaddrs().map(String).sort().join(' ');
  }

  #announceAll(): void {
    this.#addresses = this.#addressesNow;
    for (const key of this.#provided) this.#enqueue(key);
  }

  #enqueue(key: string): void {
    if (!this.#host.libp2p.services.dht || this.#stop.signal.aborted) return;
    this.#queue.add(key);
    this.#announceWhenQuiet();
  }

  /** When no member of the DHT will have come for long enough. */
  get #quietAtMs(): number {
    const members = Math.min(this.#members, SMALL_DHT_PEERS);
    return Math.min(this.#memberAtMs + QUIET_MS * members, this.#unquietSinceMs + LATEST_MS);
  }

  #announceWhenQuiet(): void {
    clearTimeout(this.#timer);
    if (this.#isSweeping || this.#stop.signal.aborted) return;
    // Nobody to tell: whoever comes first is told of all. kad-dht's own record of each would be kept, and renewed one by one.
    if (this.#members === 0) return;
    const waitMs = this.#quietAtMs - performance.now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#announceWhenQuiet(), waitMs);
      letExit(this.#timer);
      return;
    }
    if (this.#queue.size >= SWEEP_ROOTS) return this.#tasks.run(this.#announceTogether());
    const workers = Math.min(CONCURRENCY - this.#workers, this.#queue.size);
    for (let n = 0; n < workers; n++) this.#tasks.run(this.#work());
  }

  /** Announces all that wait. What comes meanwhile waits for its end. */
  async #announceTogether(): Promise<void> {
    this.#isSweeping = true;
    try {
      const roots = [...this.#queue].filter((key) => this.#provided.has(key)).map((key) => CID.parse(key));
      this.#queue.clear();
      this.#noteTold(await this.#sweep.run(roots, this.#stop.signal));
    } finally {
      this.#isSweeping = false;
    }
    if (this.#queue.size > 0) this.#announceWhenQuiet();
  }

  async #work(): Promise<void> {
    this.#workers++;
    try {
      for (const key of this.#queue) {
        // New members have come, and the timer goes on with it; or many roots have, which go together.
        if (this.#quietAtMs > performance.now() || this.#isSweeping) return;
        this.#queue.delete(key);
        if (this.#provided.has(key)) this.#noteTold((await this.#announce(CID.parse(key))) ? [] : [key]);
      }
    } finally {
      this.#workers--;
    }
  }

  /** @returns whether anybody was told */
  async #announce(root: CID): Promise<boolean> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(WALK_TIMEOUT_MS)]);
    let isTold = false;
    try {
      for await (const event of this.#host.libp2p.services.dht?.provide(root, { signal }) ?? []) {
        isTold ||= event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER';
        signal.throwIfAborted();
      }
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#host.log('debug', `could not provide ${root.toString()}: ${String(error)}`);
    }
    return isTold;
  }

  /** The others of those that were announced have been told. */
  #noteTold(untold: readonly string[]): void {
    for (const key of untold) this.#untold.add(key);
    if (this.#untold.size === 0) this.#againMs = AGAIN_FIRST_MS;
    if (this.#untold.size === 0 || this.#again || this.#stop.signal.aborted) return;
    this.#again = setTimeout(() => {
      this.#again = undefined;
      for (const key of this.#untold) if (this.#provided.has(key)) this.#enqueue(key);
      this.#untold.clear();
    }, this.#againMs);
    letExit(this.#again);
    this.#againMs = Math.min(2 * this.#againMs, AGAIN_LAST_MS);
  }
}
