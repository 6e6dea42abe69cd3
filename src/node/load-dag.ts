import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import { searchHints } from './search-hints.ts';
import { attemptsOf, hintOf, type SearchState, type SwarmState } from './search-report.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { IdleWatch } from './idle-watch.ts';
import type { NodeContext } from './node-context.ts';

/** Nodes asked of the store at once. */
const LOCAL_BATCH = 256;

/** What {@link loadDag} needs besides the root. */
export interface LoadDagOptions {
  /** `root`: the root node alone; `all`: every interior node. */
  depth: 'root' | 'all';
  /** The longest time without a node arriving. */
  timeoutMs: number;
  /** Addresses that a link named. */
  addresses: readonly string[];
  signal: AbortSignal;
}

/**
 * Gets an asset's interior nodes, from the data folder where they are, from the swarm where not, verified from
 * the root down.
 *
 * @throws ERR_NO_PROVIDERS, ERR_ASSET_INVALID, ERR_UNSUPPORTED_DAG, ERR_ASSET_TOO_LARGE, the abort reason
 */
export async function loadDag(context: NodeContext, root: CID, options: LoadDagOptions): Promise<DagWalk> {
  const walk = new DagWalk(root);
  const isEnough = (): boolean => walk.done || (options.depth === 'root' && walk.rootInfo() !== undefined);
  await walkLocally(context, root, walk, isEnough, options.signal);
  if (isEnough()) {
    // The empty file is known from its CID alone: nobody need be asked, but the store has to know of it.
    if (walk.done && !(await context.store.get(root)))
      await context.store.putNode(root, root, new Uint8Array(0));
    return walk;
  }
  await withSearch(context, root, options, async (watch, signal) => {
    const keeping = new NodesToKeep(context, root);
    await context.shell.fetchNodes(root, walk, {
      untilRootOnly: options.depth === 'root',
      signal,
      onQueued: () => watch.touch(),
      onNode: async (cid, bytes) => {
        watch.touch();
        await keeping.add(cid, bytes);
      },
    });
    await keeping.settled();
  });
  return walk;
}

/** Nodes, and bytes of them, that may be on their way into the store: it takes many at once for little more than one. */
const MAX_KEEPING = 256;
const MAX_KEEPING_BYTES = 4 << 20;

/** Nodes that have been verified, on their way into the store. */
class NodesToKeep {
  readonly #context: NodeContext;
  readonly #root: CID;
  #puts: Promise<void>[] = [];
  #bytes = 0;

  constructor(context: NodeContext, root: CID) {
    this.#context = context;
    this.#root = root;
  }

  /** Waits where many are on their way. @throws what the store throws, of this one or an earlier one */
  async add(cid: CID, bytes: Uint8Array): Promise<void> {
    const put = this.#context.store.putNode(this.#root, cid, bytes);
    put.catch(() => {});
    this.#puts.push(put);
    this.#bytes += bytes.byteLength;
    if (this.#puts.length >= MAX_KEEPING || this.#bytes >= MAX_KEEPING_BYTES) await this.settled();
  }

  /** Resolves when all are kept. */
  async settled(): Promise<void> {
    const puts = this.#puts;
    this.#puts = [];
    this.#bytes = 0;
    await Promise.all(puts);
  }
}

async function walkLocally(
  context: NodeContext,
  root: CID,
  walk: DagWalk,
  isEnough: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  if (!(await context.store.get(root))) return;
  while (!isEnough()) {
    signal.throwIfAborted();
    let found = 0;
    for (const cid of walk.needs(LOCAL_BATCH)) {
      // What cannot be read here others may have.
      const bytes = await context.store.getNode(root, cid).catch(unlessChanged);
      if (bytes && (await walk.add(cid, bytes)) === 'ok') found++;
    }
    if (found === 0) return;
  }
}

function unlessChanged(error: unknown): undefined {
  if (!(error instanceof ShoalError) || error.code !== 'ERR_FILE_CHANGED') throw error;
}

/** Members of the swarm that are connected: two, since the first may be the origin alone, which may be about to go. */
const SWARM_FOUND_PEERS = 2;

/** Where they give nothing for so long they may have nothing: who does is looked for as if nobody had been found. */
const NOTHING_GIVEN_MS = 10_000;

/**
 * Runs `task` while peers that have the root are looked for in every way there is, until it is done or nothing
 * has happened for `timeoutMs`.
 */
export async function withSearch<T>(
  context: NodeContext,
  root: CID,
  options: { timeoutMs: number; addresses: readonly string[]; signal: AbortSignal },
  task: (watch: IdleWatch, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  let state: Omit<SearchState, 'swarm'> | undefined;
  using watch = new IdleWatch(options.timeoutMs, () => noProviders(context, root, options.timeoutMs, state));
  const signal = AbortSignal.any([options.signal, context.closing, watch.signal]);
  const searching = AbortSignal.any([signal, done.signal]);
  const earlier = await context.book.contacts(root);
  const places = { addresses: options.addresses, earlier };
  const onContacts = (contacts: readonly Contact[], source?: string): void =>
    context.shell.addContacts(root, contacts, source);
  const hasEnough = (): boolean => {
    const active = context.active(root);
    if (!active || active.quietMs >= NOTHING_GIVEN_MS) return false;
    return active.session.peerCount >= SWARM_FOUND_PEERS;
  };
  state = context.discovery.search(root, places, onContacts, hasEnough, searching);
  // What was met before is dialled above; the exchange goes on trying while it has too few neighbours.
  if (context.active(root) && earlier.length > 0) onContacts(earlier);
  try {
    return await task(watch, signal);
  } finally {
    done.abort();
  }
}

function noProviders(
  context: NodeContext,
  root: CID,
  timeoutMs: number,
  found: Omit<SearchState, 'swarm'> | undefined,
): ShoalError {
  const start = `nobody sent anything of ${root.toString()} for ${timeoutMs / 1000} s`;
  if (!found)
    return new ShoalError('ERR_NO_PROVIDERS', `${start}; ${searchHints.waitLonger}`, { fault: 'none' });
  const state = {
    ...found,
    dhtPeers: found.dhtPeers,
    localPeers: found.localPeers,
    swarm: swarmOf(context, root),
  };
  return new ShoalError('ERR_NO_PROVIDERS', `${start}; ${hintOf(state)}`, {
    fault: 'none',
    tried: attemptsOf(state),
  });
}

function swarmOf(context: NodeContext, root: CID): SwarmState {
  const peers = new Set(context.libp2p.getConnections().map(({ remotePeer }) => remotePeer.toString()));
  const stats = context.active(root)?.session.stats();
  return {
    connected: peers.size,
    members: stats?.peers ?? 0,
    left: stats?.left ?? 0,
    failed: stats?.failed ?? [],
  };
}
