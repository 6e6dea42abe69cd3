import type { CID } from 'multiformats/cid';
import type { PeerLink } from './peer-link.ts';

/** A walk over a DAG that says which nodes it needs and checks those it is given: `DagWalk`. */
export interface Walk {
  readonly done: boolean;
  needs(max: number): CID[];
  add(cid: CID, bytes: Uint8Array): Promise<'ok' | 'mismatch' | 'unwanted'>;
}

/** What {@link NodeFetch} takes besides the walk. */
export interface FetchNodesOptions {
  /** Called with each node that was verified, before the next is taken in. What it throws ends the fetch. */
  onNode: (cid: CID, bytes: Uint8Array) => void | Promise<void>;
  /** Called when it is not its turn yet, and those before it get on: no silence, though nothing of this root comes. */
  onQueued?: () => void;
  /** End as soon as the root is here. */
  untilRootOnly?: boolean;
  /** The only end besides success: time-outs are the caller's. */
  signal: AbortSignal;
}

/** What a {@link NodeFetch} works with. */
export interface NodeFetchHost {
  nowMs(): number;
  /** Peers that confirmed the root. */
  holders(): Iterable<PeerLink>;
  ask(link: PeerLink, cids: readonly CID[]): void;
  /** When the peer last answered any fetch: it answers one node after another. */
  answeredAtMs(link: PeerLink): number;
  /** Nodes that may still be asked of the peer now, over all fetches; where there are none it pumps this one later. */
  room(link: PeerLink): number;
  blame(link: PeerLink, code: string, message: string): void;
}

/** Nodes asked at first of a peer that has answered none yet: a liar's share stays small. */
const FIRST_WINDOW = 16;

/**
 * Nodes asked of one peer at most, to which the window grows as it answers. A large directory has a node for each three
 * or four of its files, of a few hundred bytes: over a long path many must be on their way.
 */
const MAX_WINDOW = 256;

/** How far ahead in the walk nodes are shared out over the peers: what is asked for already is among them. */
const LOOK_AHEAD = 2048;

/** A peer that answers nothing for so long is passed over for as long again. */
const BATCH_TIMEOUT_MS = 10_000;

/** The same for one that answers other fetches, which may have come before this one, and nothing of this batch. */
const BATCH_LONGEST_MS = 60_000;

interface Asked {
  cids: Map<string, CID>;
  atMs: number;
  /** Nodes that it was passed over for: it may send them still. */
  late: Set<string>;
  /** Nodes the peer said it does not have. */
  missing: Set<string>;
  passedOverUntilMs: number;
  /** Nodes that may be asked of it at a time. */
  window: number;
}

/** Fetches the interior nodes of one root from all peers that have it, verified from the root down. */
export class NodeFetch {
  readonly root: CID;
  readonly #walk: Walk;
  readonly #options: FetchNodesOptions;
  readonly #host: NodeFetchHost;
  readonly #asked = new Map<PeerLink, Asked>();
  readonly #inFlight = new Set<string>();
  readonly #answers: { link: PeerLink; cid: CID; bytes: Uint8Array }[] = [];
  readonly #end = Promise.withResolvers<void>();
  /** Who was asked before it confirmed the root, if anybody. */
  #guess: PeerLink | undefined;
  #isTaking = false;
  #isOver = false;

  constructor(root: CID, walk: Walk, options: FetchNodesOptions, host: NodeFetchHost) {
    this.root = root;
    this.#walk = walk;
    this.#options = options;
    this.#host = host;
    // An answer taken in late may reject it when `run` has ended and nobody holds it.
    this.#end.promise.catch(() => {});
  }

  /** Resolves when what was asked for is here. @throws the abort reason; what `walk.add` and `onNode` throw */
  async run(): Promise<void> {
    const { signal } = this.#options;
    signal.throwIfAborted();
    if (this.#walk.done) return;
    const abort = (): void => this.#end.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.pump();
      await this.#end.promise;
    } finally {
      this.#isOver = true;
      signal.removeEventListener('abort', abort);
    }
  }

  /** Asks whoever is free for what is needed. Call when a peer confirmed the root. */
  pump(): void {
    if (this.#isOver) return;
    const needs = this.#walk.needs(LOOK_AHEAD).map((cid) => ({ cid, text: cid.toString() }));
    const nowMs = this.#host.nowMs();
    for (const link of this.#host.holders()) {
      const asked = this.#stateOf(link);
      if (!hasRoom(asked) || nowMs < asked.passedOverUntilMs) continue;
      const batch = needs
        .filter(({ text }) => !this.#inFlight.has(text) && !asked.missing.has(text) && !asked.cids.has(text))
        .slice(0, asked.window - asked.cids.size);
      if (batch.length === 0) continue;
      batch.splice(Math.max(0, this.#host.room(link)));
      if (batch.length === 0) continue;
      if (asked.cids.size === 0) asked.atMs = nowMs;
      for (const { cid, text } of batch) {
        asked.cids.set(text, cid);
        this.#inFlight.add(text);
      }
      this.#host.ask(link, batch.map(({ cid }) => cid)); // prettier-ignore
    }
  }

  /** It waits for its turn at a peer that answers others. */
  queued(): void {
    if (!this.#isOver) this.#options.onQueued?.();
  }

  /**
   * The root has just been named to this peer. Where nobody has confirmed it yet, one peer is asked for nodes in the same
   * breath, which saves a round trip if it has them. Others are asked as if it had not been.
   */
  guess(link: PeerLink): void {
    if (this.#isOver || this.#guess) return;
    for (const _holder of this.#host.holders()) return;
    const asked = this.#stateOf(link);
    const batch = this.#walk.needs(FIRST_WINDOW).slice(0, Math.max(0, this.#host.room(link)));
    if (batch.length === 0 || asked.cids.size > 0) return;
    this.#guess = link;
    asked.atMs = this.#host.nowMs();
    for (const cid of batch) asked.cids.set(cid.toString(), cid);
    this.#host.ask(link, batch);
  }

  /** The peer said anew that it has the root: what it lacked before it may have now. */
  joined(link: PeerLink): void {
    this.#asked.get(link)?.missing.clear();
    this.pump();
  }

  /** A NODE came. One that this fetch did not ask for is passed over. */
  answered(link: PeerLink, cid: CID, bytes: Uint8Array | undefined): void {
    const asked = this.#asked.get(link);
    const text = cid.toString();
    if (this.#isOver || !asked) return;
    const isLate = asked.late.delete(text);
    if (!asked.cids.delete(text) && !isLate) {
      if (asked.cids.size > 0) this.queued();
      return;
    }
    asked.atMs = this.#host.nowMs();
    asked.passedOverUntilMs = -Infinity;
    if (bytes && asked.window < MAX_WINDOW) asked.window++;
    if (bytes) {
      // Stays in flight until it is verified.
      this.#answers.push({ link, cid, bytes });
      void this.#takeAll();
    } else {
      this.#inFlight.delete(text);
      asked.missing.add(text);
      if (hasRoom(asked)) this.pump();
    }
  }

  /** The link is gone: others are asked. */
  gone(link: PeerLink): void {
    if (this.#guess === link) this.#guess = undefined;
    this.#release(link);
    this.#asked.delete(link);
    this.pump();
  }

  /** Gives up on peers that do not answer. Call now and then. */
  tick(): void {
    const nowMs = this.#host.nowMs();
    for (const [link, asked] of this.#asked) {
      const silentMs = nowMs - Math.max(asked.atMs, this.#host.answeredAtMs(link));
      const isWaiting = silentMs < BATCH_TIMEOUT_MS && nowMs - asked.atMs < BATCH_LONGEST_MS;
      if (asked.cids.size === 0 || isWaiting) continue;
      for (const text of asked.cids.keys()) asked.late.add(text);
      this.#release(link);
      asked.passedOverUntilMs = nowMs + BATCH_TIMEOUT_MS;
    }
    this.pump();
  }

  /** Takes answers in one after another: a node's children are known only when it has been verified. */
  async #takeAll(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      for (let next = this.#answers.shift(); next && !this.#isOver; next = this.#answers.shift()) {
        await this.#take(next.link, next.cid, next.bytes);
      }
    } catch (error) {
      this.#isOver = true;
      this.#end.reject(error);
    } finally {
      this.#isTaking = false;
    }
    this.pump();
  }

  async #take(link: PeerLink, cid: CID, bytes: Uint8Array): Promise<void> {
    const result = await this.#walk.add(cid, bytes);
    this.#inFlight.delete(cid.toString());
    if (result === 'mismatch') {
      this.#host.blame(
        link,
        'ERR_PEER_BAD_NODE',
        `its node ${cid.toString()} does not have the content its name promises`,
      );
      return;
    }
    if (result !== 'ok') return;
    await this.#options.onNode(cid, bytes);
    if (this.#walk.done || (this.#options.untilRootOnly && cid.equals(this.root))) {
      this.#isOver = true;
      this.#end.resolve();
    } else if (hasRoom(this.#stateOf(link))) this.pump();
  }

  #release(link: PeerLink): void {
    const asked = this.#asked.get(link);
    if (!asked) return;
    for (const text of asked.cids.keys()) this.#inFlight.delete(text);
    asked.cids.clear();
  }

  #stateOf(link: PeerLink): Asked {
    let asked = this.#asked.get(link);
    if (!asked) {
      asked = {
        cids: new Map(),
        atMs: 0,
        late: new Set(),
        missing: new Set(),
        passedOverUntilMs: -Infinity,
        window: FIRST_WINDOW,
      };
      this.#asked.set(link, asked);
    }
    return asked;
  }
}

/** Whether it has answered half of its window: more is asked for while the rest is on its way. */
function hasRoom({ cids, window }: Asked): boolean {
  return cids.size * 2 <= window;
}
