import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import { DagWalk } from '../integrity/dag-walk.ts';
import type { SearchReport } from './discovery.ts';
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
    await context.shell.fetchNodes(root, walk, {
      untilRootOnly: options.depth === 'root',
      signal,
      onNode: async (cid, bytes) => {
        watch.touch();
        await context.store.putNode(root, cid, bytes);
      },
    });
  });
  return walk;
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
      const bytes = await context.store.getNode(root, cid);
      if (bytes && (await walk.add(cid, bytes)) === 'ok') found++;
    }
    if (found === 0) return;
  }
}

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
  let report: SearchReport | undefined;
  const found = { peers: 0 };
  using watch = new IdleWatch(options.timeoutMs, () => noProviders(context, root, options.timeoutMs, report));
  const signal = AbortSignal.any([options.signal, context.closing, watch.signal]);
  const searching = AbortSignal.any([signal, done.signal]);
  report = context.discovery.search(
    root,
    (contacts) => {
      found.peers += contacts.length;
      context.shell.addContacts(root, contacts);
    },
    searching,
  );
  context.discovery.reach(options.addresses, searching);
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
  report: SearchReport | undefined,
): ShoalError {
  const peers = new Set(context.libp2p.getConnections().map((connection) => connection.remotePeer.toString()))
    .size;
  const tried = [
    `asked ${count(peers, 'connected peer')}`,
    context.libp2p.services.dht
      ? `searched the DHT ${count(report?.dhtWalks ?? 0, 'time')} (it named ${count(report?.dhtProviders ?? 0, 'provider')})`
      : 'the DHT is switched off',
    `heard ${count(report?.localPeers ?? 0, 'node')} on the local network`,
    ...(report?.unreachable.length ? [`could not reach ${report.unreachable.slice(0, 3).join(', ')}`] : []),
  ];
  return new ShoalError(
    'ERR_NO_PROVIDERS',
    `nobody sent anything of ${root.toString()} for ${timeoutMs / 1000} s: ${tried.join('; ')}. ` +
      'Name a peer that has it (--peer), or wait longer (--timeout)',
    { fault: 'none' },
  );
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
