import { mergeUrgency, ReaderPace, type Leaf } from '../../src/node/reader-pace.ts';
import { ASSET, type SimNode, type World } from './world.ts';

/** What a player does: reads at its rate once it has buffered a little, stalls, and seeks. */
export interface PlayerOptions {
  bytesPerSec: number;
  /** Played only when so much lies ahead. */
  startMs: number;
  /** Jumps elsewhere so often; undefined: plays on from the beginning. */
  seekMs?: number;
  /** Chooses where to jump, 0 to 1. */
  rng?: () => number;
}

/** A player at a simulated node, with the deadlines of a real one. */
export class Player {
  /** Time that it stood still after it had begun, ms. */
  stalledMs = 0;
  /** Chunks it played. */
  played = 0;
  startedAtMs: number | undefined;
  readonly #world: World;
  readonly #node: SimNode;
  readonly #options: PlayerOptions;
  readonly #leaves: Leaf[];
  readonly #pace = new ReaderPace();
  readonly #chunkMs: number;
  #at = 0;
  #from = 0;
  #soughtAtMs = 0;

  constructor(world: World, node: SimNode, options: PlayerOptions) {
    this.#world = world;
    this.#node = node;
    this.#options = options;
    let start = 0;
    this.#leaves = [...world.sizes].map((size, chunk) => {
      const leaf = { chunk, start, size };
      start += size;
      return leaf;
    });
    this.#chunkMs = ((world.sizes[0] as number) / options.bytesPerSec) * 1000;
    world.at(world.nowMs, () => this.#seek(0));
  }

  get isDone(): boolean {
    return this.#at >= this.#leaves.length;
  }

  #seek(chunk: number): void {
    this.#from = this.#at = chunk;
    this.#soughtAtMs = this.#world.nowMs;
    this.startedAtMs = undefined;
    const { chunks, dueInMs } = this.#urgent();
    const wanted = [{ from: chunk, count: this.#leaves.length - chunk }];
    this.#world.handle(this.#node, { type: 'want', asset: ASSET, wanted, urgent: chunks, dueInMs });
    this.#world.at(this.#world.nowMs, () => this.#turn(chunk, this.#soughtAtMs));
  }

  /** Plays a chunk, or waits for it in short steps. */
  #turn(chunk: number, soughtAtMs: number): void {
    if (soughtAtMs !== this.#soughtAtMs || this.isDone) return;
    const { nowMs } = this.#world;
    const { seekMs, rng } = this.#options;
    if (seekMs !== undefined && nowMs - soughtAtMs >= seekMs) {
      if (!this.#node.completedAtMs) return this.#seek(Math.floor((rng?.() ?? 0) * this.#leaves.length));
    }
    const waitMs = 10;
    if (!this.#isReady()) {
      if (this.startedAtMs !== undefined) this.stalledMs += waitMs;
      return this.#world.at(nowMs + waitMs, () => this.#turn(chunk, soughtAtMs));
    }
    this.startedAtMs ??= nowMs;
    this.played++;
    this.#at++;
    this.#pace.took(this.#leaves[chunk]?.size ?? 0, this.#chunkMs);
    this.#world.at(nowMs + this.#chunkMs, () => {
      if (soughtAtMs !== this.#soughtAtMs) return;
      const { chunks, dueInMs } = mergeUrgency([this.#urgent()], (each) => this.#node.have.has(each));
      this.#world.handle(this.#node, { type: 'urgent', asset: ASSET, urgent: chunks, dueInMs });
      this.#turn(this.#at, soughtAtMs);
    });
  }

  #isReady(): boolean {
    if (!this.#node.have.has(this.#at)) return false;
    if (this.startedAtMs !== undefined) return true;
    const ahead = Math.ceil(this.#options.startMs / this.#chunkMs);
    for (let chunk = this.#from; chunk < Math.min(this.#from + ahead, this.#leaves.length); chunk++) {
      if (!this.#node.have.has(chunk)) return false;
    }
    return true;
  }

  #urgent() {
    return this.#pace.urgent(this.#leaves, this.#at, (chunk) => this.#node.have.has(chunk));
  }
}
