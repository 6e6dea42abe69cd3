import { AsyncLocalStorage } from 'node:async_hooks';
import { seededRng, type Rng } from '../../src/swarm/core/rng.ts';

/** What a process of its own would be: its timers and what arrives for it wait while it is suspended, and are dropped when it is over. */
export class Actor {
  isOver = false;
  suspendedUntilMs = -1;
  /** What came due meanwhile. */
  readonly held: Entry[] = [];
}

/** In the order in which a process that wakes up sees to them. */
const KINDS = ['timer', 'immediate', 'arrival'] as const;

interface Entry {
  atMs: number;
  order: number;
  actor: Actor | undefined;
  act: () => void;
  kind: (typeof KINDS)[number];
  isCleared: boolean;
}

const START_MS = 1000;
const EPOCH_MS = 1.7e12;

/** What `setTimeout` gives. */
class Timer {
  entry: Entry | undefined;

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

/**
 * A clock that goes on only when asked to, and the timers on it. While installed, the globals that tell the time, wait, or
 * give chance are its own, so that the same seed gives the same run. Install it before what it is to rule is imported: some
 * modules keep `setImmediate`.
 */
export class VirtualTime {
  nowMs = START_MS;
  readonly #actor = new AsyncLocalStorage<Actor | undefined>();
  readonly #heap = new Heap();
  readonly #realImmediate = globalThis.setImmediate;
  #order = 0;
  #rng: Rng = seededRng(0);

  /** Back to the beginning, with nothing waiting. @param seed of `Math.random` and `crypto.getRandomValues` */
  reset(seed: number): void {
    this.nowMs = START_MS;
    this.#heap.clear();
    this.#order = 0;
    this.#rng = seededRng(seed);
  }

  /** Since the last `reset`. */
  get elapsedMs(): number {
    return this.nowMs - START_MS;
  }

  /** Does something later. @param actor who does it; undefined: the world, which is never suspended */
  after(ms: number, actor: Actor | undefined, act: () => void, kind: Entry['kind'] = 'arrival'): Entry {
    const entry = {
      atMs: this.nowMs + Math.max(0, ms),
      order: this.#order++,
      actor,
      act,
      kind,
      isCleared: false,
    };
    this.#heap.push(entry);
    return entry;
  }

  /** Does something now as this actor: the timers it sets are the actor's. */
  as<T>(actor: Actor, act: () => T): T {
    return this.#actor.run(actor, act);
  }

  suspend(actor: Actor, ms: number): void {
    const untilMs = this.nowMs + ms;
    actor.suspendedUntilMs = untilMs;
    this.after(ms, undefined, () => {
      if (actor.suspendedUntilMs === untilMs) this.resume(actor);
    });
  }

  /** What came due meanwhile is done now: timers first, as after `kill -CONT`. */
  resume(actor: Actor): void {
    actor.suspendedUntilMs = -1;
    const held = actor.held.splice(0).filter(({ isCleared }) => !isCleared);
    const rank = ({ kind }: Entry): number => KINDS.indexOf(kind);
    held.sort((a, b) => rank(a) - rank(b) || (isBefore(a, b) ? -1 : 1));
    for (const entry of held) {
      entry.atMs = this.nowMs;
      entry.order = this.#order++;
      this.#heap.push(entry);
    }
  }

  /** Goes on to a point in time, or until `isEnough`, asked after each step. @returns whether it was enough */
  async run(ms: number, isEnough: () => boolean = () => false): Promise<boolean> {
    const untilMs = this.nowMs + ms;
    for (let next = this.#heap.first; next && next.atMs <= untilMs; next = this.#heap.first) {
      await this.#step();
      if (isEnough()) return true;
    }
    this.nowMs = untilMs;
    return false;
  }

  /** Lets all promises come to rest that wait for no time. */
  async settle(): Promise<void> {
    await new Promise((resolve) => this.#realImmediate(resolve));
  }

  /** Waits in virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timer(resolve, ms));
  }

  /** Puts itself in the place of the globals, for the rest of the process or until disposed of. */
  install(): Disposable {
    const undo = [
      replace(performance, { now: () => this.nowMs }),
      replace(Date, { now: () => Math.floor(EPOCH_MS + this.nowMs) }),
      replace(Math, { random: () => this.#rng() }),
      replace(crypto, { getRandomValues: (into: Uint8Array) => this.#fill(into) }),
      replace(AbortSignal, { timeout: (ms: number) => this.#timeoutSignal(ms) }),
      replace(globalThis, {
        setTimeout: (act: () => void, ms = 0) => this.#timer(act, ms),
        setInterval: (act: () => void, ms = 0) => this.#interval(act, ms),
        setImmediate: (act: () => void) => this.#immediate(act),
        clearTimeout: clear,
        clearInterval: clear,
        clearImmediate: clear,
      }),
    ];
    return { [Symbol.dispose]: () => undo.forEach((each) => each()) };
  }

  async #step(): Promise<void> {
    const entry = this.#heap.pop();
    const { actor, act } = entry;
    if (entry.isCleared || actor?.isOver) return;
    if (actor && actor.suspendedUntilMs > entry.atMs) return void actor.held.push(entry);
    this.nowMs = Math.max(this.nowMs, entry.atMs);
    this.#actor.run(actor, act);
    await this.settle();
  }

  #timer(act: () => void, ms: number): Timer {
    const timer = new Timer();
    timer.entry = this.after(Math.max(1, ms), this.#actor.getStore(), act, 'timer');
    return timer;
  }

  #interval(act: () => void, ms: number): Timer {
    const timer = new Timer();
    const actor = this.#actor.getStore();
    const arm = (): void => {
      const again = (): void => {
        arm();
        act();
      };
      timer.entry = this.after(Math.max(1, ms), actor, again, 'timer');
    };
    arm();
    return timer;
  }

  #immediate(act: () => void): Timer {
    const timer = new Timer();
    timer.entry = this.after(0, this.#actor.getStore(), act, 'immediate');
    return timer;
  }

  #timeoutSignal(ms: number): AbortSignal {
    const controller = new AbortController();
    this.#timer(() => controller.abort(new DOMException('timed out', 'TimeoutError')), ms);
    return controller.signal;
  }

  #fill(into: Uint8Array): Uint8Array {
    for (let i = 0; i < into.length; i++) into[i] = Math.floor(this.#rng() * 256);
    return into;
  }
}

function clear(timer: Timer | undefined): void {
  if (timer?.entry) timer.entry.isCleared = true;
}

/** @returns what puts the old ones back */
function replace(target: object, members: Record<string, unknown>): () => void {
  const undo = Object.keys(members).map((name) => {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value: members[name], configurable: true, writable: true });
    return () =>
      void (before ? Object.defineProperty(target, name, before) : Reflect.deleteProperty(target, name));
  });
  return () => undo.forEach((each) => each());
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

/** A binary heap of what is to come, the earliest first. */
class Heap {
  readonly #entries: Entry[] = [];

  get first(): Entry | undefined {
    return this.#entries[0];
  }

  clear(): void {
    this.#entries.length = 0;
  }

  push(entry: Entry): void {
    const all = this.#entries;
    let at = all.push(entry) - 1;
    for (let up = (at - 1) >> 1; at > 0 && this.#swapIfBefore(at, up); up = (at - 1) >> 1) at = up;
  }

  /** There is one. */
  pop(): Entry {
    const all = this.#entries;
    const first = all[0] as Entry;
    const last = all.pop() as Entry;
    if (all.length === 0) return first;
    all[0] = last;
    let at = 0;
    for (let down = this.#lowerChild(at); down < all.length; down = this.#lowerChild(at)) {
      if (!this.#swapIfBefore(down, at)) break;
      at = down;
    }
    return first;
  }

  #lowerChild(at: number): number {
    const left = 2 * at + 1;
    const [a, b] = [this.#entries[left], this.#entries[left + 1]];
    return a && b && isBefore(b, a) ? left + 1 : left;
  }

  /** @returns whether `lower` came before `upper`, and has its place now */
  #swapIfBefore(lower: number, upper: number): boolean {
    const [a, b] = [this.#entries[lower] as Entry, this.#entries[upper] as Entry];
    if (!isBefore(a, b)) return false;
    this.#entries[lower] = b;
    this.#entries[upper] = a;
    return true;
  }
}
