import type { CID } from 'multiformats/cid';
import type { AssetTable } from './asset-table.ts';
import { AwaitedNodes } from './awaited-nodes.ts';
import type { AssetKey, Have, PeerKey } from './core/messages.ts';
import { letExit } from './let-exit.ts';
import type { LinkCare } from './link-care.ts';
import { MAX_EARLY_HAVE_BYTES, MAX_EARLY_MESSAGES, type LinkTable } from './link-table.ts';
import { decodeCid, type NamedRoot } from './named-roots.ts';
import { FORGET_NODES, MAX_WAITING_NODES, NodeAnswers } from './node-answers.ts';
import { NodeFetch, type FetchNodesOptions, type Walk } from './node-fetch.ts';
import { unpackNode } from './packed-node.ts';
import type { PeerLink } from './peer-link.ts';
import type { ControlMessage } from './wire/control-message.ts';
import { MAX_NODES_PER_REQUEST } from './wire/limits.ts';

/** A root whose nodes were fetched is most often joined next; if not within this, LEAVE goes out. */
const NAMED_FOR_MS = 30_000;

/**
 * Nodes asked of one peer at a time, over all roots: half of what it lets wait. An application that opens hundreds of
 * assets at once must not be taken for a flood.
 */
const MAX_AWAITED = MAX_WAITING_NODES / 2;

/** Fetches that are tried when a peer has room again: one takes it, unless it waits for another peer. */
const MAX_TRIED = 8;

/** Fetches look so often whether somebody keeps them waiting, and answers whether somebody holds up the others. */
const WATCH_EVERY_MS = 250;

/** Roots named on a link before it is up, with a NODES each: half of what the other side keeps until then. */
const MAX_EARLY_ROOTS = MAX_EARLY_MESSAGES / 4;

type NodesMessage = Extract<ControlMessage, { type: 'nodes' }>;
type NodeMessage = Extract<ControlMessage, { type: 'node' }>;

/** What a {@link NodeSwarm} works with. */
export interface NodeSwarmHost {
  nowMs(): number;
  links: LinkTable;
  assets: AssetTable;
  getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>;
  blame(peer: PeerKey, code: string, message: string): void;
  /** Counts what is of no use. */
  care: Pick<LinkCare, 'wasted' | 'tookBack'>;
}

/** Interior nodes: fetches them for this node and answers others. Roots are named here before the core knows them. */
export class NodeSwarm {
  readonly #host: NodeSwarmHost;
  readonly #answers: NodeAnswers;
  readonly #fetches = new Map<AssetKey, Set<NodeFetch>>();
  readonly #awaited = new WeakMap<PeerLink, AwaitedNodes>();
  /** Fetches that found no room at a peer, the longest waiting first. */
  readonly #crowded = new Set<NodeFetch>();
  /** Roots named for a fetch that is over, and until when. */
  readonly #lingering = new Map<AssetKey, number>();
  /** Runs while something is fetched or answered. */
  #watch: ReturnType<typeof setInterval> | undefined;
  #isStopped = false;

  constructor(host: NodeSwarmHost) {
    this.#host = host;
    this.#answers = new NodeAnswers(host.getNode, () => host.nowMs());
  }

  async fetch(root: CID, walk: Walk, options: FetchNodesOptions): Promise<void> {
    const text = root.toString();
    const key = this.#host.assets.keyOf(text);
    const running = this.#fetches.get(key) ?? new Set();
    const fetch: NodeFetch = new NodeFetch(root, walk, options, {
      nowMs: () => this.#host.nowMs(),
      holders: () => this.#holders(text),
      hasNodes: (link) => link.named.find(text)?.hasNodes ?? false,
      ask: (link, cids) => {
        this.#awaitedOf(link).asked(key, cids.length);
        for (let at = 0; at < cids.length; at += MAX_NODES_PER_REQUEST) {
          const part = cids.slice(at, at + MAX_NODES_PER_REQUEST);
          link.send({ type: 'nodes', slot: key, cids: part.map((cid) => cid.bytes) });
        }
      },
      forget: (link) => {
        if (![...running].some((each) => each.isAsking(link))) this.#tellDone(link, text, key);
      },
      answeredAtMs: (link) => this.#awaitedOf(link).answeredAtMs,
      room: (link) => {
        const room = MAX_AWAITED - this.#awaitedOf(link).count;
        if (room <= 0) this.#crowded.add(fetch);
        return room;
      },
      blame: (link, code, message) => this.#host.blame(link.peer, code, message),
    });
    this.#fetches.set(key, running.add(fetch));
    this.#watchOver();
    this.#lingering.delete(key);
    for (const link of this.#host.links.values()) {
      this.#name(link, root, key);
      fetch.guess(link);
    }
    try {
      await fetch.run();
    } finally {
      running.delete(fetch);
      this.#crowded.delete(fetch);
      if (running.size === 0) {
        this.#fetches.delete(key);
        this.#lingering.set(key, this.#host.nowMs() + NAMED_FOR_MS);
        for (const link of this.#host.links.values()) this.#tellDone(link, text, key);
      }
    }
  }

  isFetching(text: string): boolean {
    const key = this.#host.assets.knownKey(text);
    return key !== undefined && this.#fetches.has(key);
  }

  /** Whether nodes of the root are, or were a moment ago, fetched: most often it becomes active next. */
  isNaming(text: string): boolean {
    const key = this.#host.assets.knownKey(text);
    return key !== undefined && (this.#fetches.has(key) || this.#lingering.has(key));
  }

  get isNamingAny(): boolean {
    return this.#fetches.size > 0 || this.#lingering.size > 0;
  }

  linkUp(link: PeerLink): void {
    for (const [key, running] of this.#fetches) this.#nameFor(link, key, running);
  }

  /**
   * This side has sent its HELLO. What is looked for is named at once, a few roots of which nothing is here, or which are
   * being downloaded: it costs a round trip less than to wait for the peer's HELLO.
   */
  linkGreeted(link: PeerLink): void {
    const { assets } = this.#host;
    for (const [key, running] of this.#fetches) {
      if (link.asked.size >= MAX_EARLY_ROOTS) return;
      // One of them: the other side keeps few messages until then, and who opens an asset many times at once asks as often.
      const [first] = running;
      if (first && !assets.byKey(key)) this.#nameFor(link, key, [first]);
    }
    for (const { root, key, session, have } of assets.values()) {
      if (link.asked.size >= MAX_EARLY_ROOTS) return;
      const isWanted = session?.hasWished && !have.isFull;
      if (isWanted && have.bytes.byteLength <= MAX_EARLY_HAVE_BYTES) this.#name(link, root, key);
    }
  }

  #nameFor(link: PeerLink, key: AssetKey, running: Iterable<NodeFetch>): void {
    for (const fetch of running) {
      this.#name(link, fetch.root, key);
      fetch.guess(link);
    }
  }

  linkDown(link: PeerLink): void {
    this.#answers.drop(link);
    for (const fetch of this.#all()) fetch.gone(link);
    this.#awaited.delete(link);
  }

  #awaitedOf(link: PeerLink): AwaitedNodes {
    let awaited = this.#awaited.get(link);
    if (!awaited) this.#awaited.set(link, (awaited = new AwaitedNodes()));
    return awaited;
  }

  /** A NODE came. */
  #settled(link: PeerLink, { slot, bytes, packed }: NodeMessage): void {
    const gave = (bytes ?? packed) !== undefined && forgets(link);
    if (!this.#awaitedOf(link).answered(slot, gave, this.#host.nowMs())) {
      return this.#host.care.wasted(link, 'NODE that nobody asked for');
    }
    for (const fetch of this.#crowded) fetch.queued();
    this.#makeRoom(link);
  }

  /** There is room for more at a peer: who has waited longest for it is next, and the others wait for a reason. */
  #makeRoom(link: PeerLink): void {
    for (const fetch of [...this.#crowded].slice(0, MAX_TRIED)) {
      if (this.#awaitedOf(link).count >= MAX_AWAITED) return;
      this.#crowded.delete(fetch);
      fetch.pump();
    }
  }

  /** Nothing more is wanted of a peer of what it was asked of a root: it has others to answer. */
  #tellDone(link: PeerLink, text: string, key: AssetKey): void {
    if (link.isEnded || link.named.hasLeft(text) || !forgets(link)) return;
    if (!this.#awaitedOf(link).takeBack(key)) return;
    link.send({ type: 'nodes', slot: key, cids: [] });
    this.#makeRoom(link);
  }

  /** The core sent LEAVE: the root is not named on this link any more, and is named anew where it is being fetched. */
  left(link: PeerLink, key: AssetKey): void {
    link.asked.delete(key);
    const [fetch] = this.#fetches.get(key) ?? [];
    if (fetch) this.#name(link, fetch.root, key);
  }

  /** The peer named a root: it can be asked for its nodes. */
  joined(link: PeerLink, named: NamedRoot): void {
    this.#answers.taken(link);
    const key = this.#host.assets.knownKey(named.text);
    if (key === undefined) return;
    this.#waitOn(link, key);
    for (const fetch of this.#fetches.get(key) ?? []) fetch.joined(link);
  }

  /**
   * A peer looks one root after another up, in the order in which they were named to it: those that were named later than one it
   * confirms wait for their turn, also where that one is not looked for any more.
   */
  #waitOn(link: PeerLink, confirmed: AssetKey): void {
    let isLater = false;
    for (const key of link.asked) {
      if (isLater) for (const fetch of this.#fetches.get(key) ?? []) fetch.queued();
      isLater ||= key === confirmed;
    }
  }

  receive(link: PeerLink, message: NodesMessage | NodeMessage): void {
    if (message.type === 'nodes') return this.#asked(link, message);
    const cid = decodeCid(message.cid);
    this.#settled(link, message);
    const bytes = message.packed ? this.#unpacked(link, cid, message.packed) : message.bytes;
    for (const fetch of this.#all()) fetch.answered(link, cid, bytes);
  }

  #asked(link: PeerLink, { slot, cids }: NodesMessage): void {
    const named = link.named.get(slot);
    if (cids.length === 0) {
      const forgotten = named && this.#answers.forget(link, named);
      if (forgotten === undefined) return this.#host.care.wasted(link, 'NODES that ask for nothing');
      return this.#host.care.tookBack(link, forgotten);
    }
    if (!named) return;
    // A root that the peer left is answered too, with nothing, so that it does not wait.
    this.#answers.add(link, named, cids);
    this.#watchOver();
  }

  #unpacked(link: PeerLink, cid: CID, packed: Uint8Array): Uint8Array | undefined {
    try {
      return unpackNode(packed);
    } catch (error) {
      const why = (error as Error).message;
      this.#host.blame(
        link.peer,
        'ERR_PEER_BAD_NODE',
        `its node ${cid.toString()} cannot be unpacked: ${why}`,
      );
      return undefined;
    }
  }

  /** No timer is left, and none begins. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#watch);
  }

  #watchOver(): void {
    if (this.#isStopped || this.#watch !== undefined) return;
    this.#watch = setInterval(() => {
      for (const fetch of this.#all()) fetch.hedge();
      this.#answers.tick();
      if (this.#fetches.size > 0 || !this.#answers.isIdle) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, WATCH_EVERY_MS);
    letExit(this.#watch);
  }

  tick(): void {
    for (const fetch of this.#all()) fetch.tick();
    const nowMs = this.#host.nowMs();
    for (const [key, untilMs] of [...this.#lingering]) if (nowMs >= untilMs) this.#unname(key);
  }

  #unname(key: AssetKey): void {
    this.#lingering.delete(key);
    const { assets, links } = this.#host;
    for (const link of links.values()) {
      // Where the asset is active the core has taken the naming over.
      if (link.asked.delete(key) && !assets.byKey(key)) link.send({ type: 'leave', slot: key });
    }
  }

  #name(link: PeerLink, root: CID, key: AssetKey): void {
    if (link.asked.has(key)) return;
    link.asked.add(key);
    const active = this.#host.assets.byKey(key);
    const have: Have = active ? { kind: 'some', bits: active.have.bytes } : { kind: 'none' };
    link.send({ type: 'join', slot: key, root: root.bytes, have, reply: true });
  }

  /**
   * Those that left it come last. A peer leaves what it has closed, too, since others name more than it keeps open; what it has
   * of nodes it gives all the same, and where it has none any more it says so.
   */
  *#holders(text: string): Iterable<PeerLink> {
    const left: PeerLink[] = [];
    for (const link of this.#host.links.values()) {
      if (link.named.find(text)) yield link;
      else if (link.named.has(text)) left.push(link);
    }
    yield* left;
  }

  *#all(): Iterable<NodeFetch> {
    for (const running of [...this.#fetches.values()]) yield* [...running];
  }
}

/** Whether the peer takes a NODES without CIDs for the end of what was asked of it. */
function forgets(link: PeerLink): boolean {
  return link.hello?.features.includes(FORGET_NODES) ?? false;
}
