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
  /** Whether it is known of a holder that it has the nodes: others may be fetching them as this node does. */
  hasNodes(link: PeerLink): boolean;
  ask(link: PeerLink, cids: readonly CID[]): void;
  /** When the peer last answered any fetch: it answers one node after another. */
  answeredAtMs(link: PeerLink): number;
  /** Nodes that may still be asked of the peer now, over all fetches; where there are none it pumps this one later. */
  room(link: PeerLink): number;
  /** This fetch waits for nothing more of the peer, and something that it was asked for need not come any more. */
  forget(link: PeerLink): void;
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

/** A peer that answers nothing for so long has others before this node: somebody else is asked as well. */
const LATE_MS = 700;

/** A peer that names the root again so soon is heeded with the next {@link NodeFetch.hedge}: each time costs a look at all that is needed. */
const JOINED_AGAIN_MS = 250;

interface Needed {
  cid: CID;
  text: string;
}

interface Asked {
  cids: Map<string, CID>;
  atMs: number;
  /** Nodes that it was passed over for, or that came from somebody else: it may send them still. */
  late: Set<string>;
  /** It was not told of those that came from somebody else. */
  isOutrun: boolean;
  /** Nodes the peer said it does not have. */
  missing: Set<string>;
  passedOverUntilMs: number;
  /** Nodes that may be asked of it at a time. */
  window: number;
  /** When it last named the root and was heeded, and whether it has since. */
  joinedAtMs: number;
  isJoinedAgain: boolean;
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
      this.#ask(link, asked, batch);
    }
  }

  #ask(link: PeerLink, asked: Asked, batch: readonly Needed[]): void {
    if (batch.length === 0) return;
    if (asked.cids.size === 0) asked.atMs = this.#host.nowMs();
    for (const { cid, text } of batch) {
      asked.cids.set(text, cid);
      this.#inFlight.add(text);
    }
    this.#host.ask(link, batch.map(({ cid }) => cid)); // prettier-ignore
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

  /**
   * Nodes for which all who were asked keep this node waiting are asked of one more of those that have them: of peers that came to
   * a crowd together the first have them by then. At random, so that not all ask the same one. Call now and then.
   */
  hedge(): void {
    this.#heedJoined();
    if (this.#isOver) return;
    let late = this.#late();
    if (late.length === 0) return;
    const nowMs = this.#host.nowMs();
    const others = [...this.#host.holders()].filter((link) => {
      const { cids, passedOverUntilMs } = this.#stateOf(link);
      return cids.size === 0 && nowMs >= passedOverUntilMs && this.#host.hasNodes(link);
    });
    while (late.length > 0 && others.length > 0) {
      const [link] = others.splice(Math.floor(Math.random() * others.length), 1) as [PeerLink];
      const asked = this.#stateOf(link);
      const room = Math.max(0, Math.min(asked.window, this.#host.room(link)));
      const batch = late.filter(({ text }) => !asked.missing.has(text)).slice(0, room);
      this.#ask(link, asked, batch);
      late = late.filter((each) => !batch.includes(each));
    }
  }

  /** What nobody who was asked for it is about to send. */
  #late(): Needed[] {
    const nowMs = this.#host.nowMs();
    const late = new Map<string, CID>();
    const awaited = new Set<string>();
    for (const [link, asked] of this.#asked) {
      const isLate = nowMs - Math.max(asked.atMs, this.#host.answeredAtMs(link)) >= LATE_MS;
      for (const [text, cid] of asked.cids) {
        if (isLate) late.set(text, cid);
        else awaited.add(text);
      }
    }
    return [...late].flatMap(([text, cid]) => (awaited.has(text) ? [] : [{ text, cid }]));
  }

  /** It came from one peer: whoever was asked for it as well need not send it. */
  #cameFrom(from: PeerLink, text: string): void {
    const outrun = [...this.#asked].filter(([link, { cids }]) => link !== from && cids.delete(text));
    for (const [link, asked] of outrun) {
      asked.late.add(text);
      asked.isOutrun = true;
      this.#forgetSpare(link, asked);
    }
  }

  /** Where nothing more is awaited of a peer it need not send what came from others. */
  #forgetSpare(link: PeerLink, asked: Asked): void {
    if (asked.cids.size > 0 || !asked.isOutrun) return;
    asked.isOutrun = false;
    this.#host.forget(link);
  }

  /** Whether something is awaited of the peer. */
  isAsking(link: PeerLink): boolean {
    return !this.#isOver && (this.#asked.get(link)?.cids.size ?? 0) > 0;
  }

  /** The peer said anew that it has the root: what it lacked before it may have now. */
  joined(link: PeerLink): void {
    if (this.#isOver) return;
    const asked = this.#stateOf(link);
    const nowMs = this.#host.nowMs();
    if (nowMs - asked.joinedAtMs < JOINED_AGAIN_MS) {
      asked.isJoinedAgain = true;
      return;
    }
    asked.joinedAtMs = nowMs;
    asked.isJoinedAgain = false;
    asked.missing.clear();
    this.pump();
    this.hedge();
  }

  #heedJoined(): void {
    for (const [link, { isJoinedAgain }] of [...this.#asked]) if (isJoinedAgain) this.joined(link);
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
      // Asked of nobody until it is verified.
      this.#inFlight.add(text);
      this.#cameFrom(link, text);
      this.#answers.push({ link, cid, bytes });
      void this.#takeAll();
    } else {
      this.#free(text);
      asked.missing.add(text);
      if (hasRoom(asked)) this.pump();
    }
    this.#forgetSpare(link, asked);
  }

  /** The link is gone: others are asked. */
  gone(link: PeerLink): void {
    if (this.#guess === link) this.#guess = undefined;
    this.#release(link);
    this.#asked.delete(link);
    this.pump();
  }

  /**
   * Gives up on peers that do not answer, and asks those again that have the nodes and could not read one: their disk was away,
   * or they had too many files open. Call now and then.
   */
  tick(): void {
    const nowMs = this.#host.nowMs();
    for (const [link, asked] of this.#asked) {
      if (nowMs - asked.atMs >= BATCH_TIMEOUT_MS && this.#host.hasNodes(link)) asked.missing.clear();
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
    this.#free(cid.toString());
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
    const texts = [...asked.cids.keys()];
    asked.cids.clear();
    for (const text of texts) this.#free(text);
  }

  /** It may be asked for again, unless somebody is being asked; a guess does not count. */
  #free(text: string): void {
    for (const [link, { cids }] of this.#asked) if (link !== this.#guess && cids.has(text)) return;
    this.#inFlight.delete(text);
  }

  #stateOf(link: PeerLink): Asked {
    let asked = this.#asked.get(link);
    if (!asked) {
      asked = {
        cids: new Map(),
        atMs: 0,
        late: new Set(),
        isOutrun: false,
        missing: new Set(),
        passedOverUntilMs: -Infinity,
        window: FIRST_WINDOW,
        joinedAtMs: -Infinity,
        isJoinedAgain: false,
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
