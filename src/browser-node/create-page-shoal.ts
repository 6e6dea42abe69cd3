import type { CID } from 'multiformats/cid';
import type { LogLevel } from '../api.ts';
import type { PageShoal, PageShoalOptions } from '../browser-api.ts';
import { ShoalError } from '../errors.ts';
import { applicationLog } from '../node/application-log.ts';
import { ContactBook } from '../node/contact-book.ts';
import { ContactKeeper } from '../node/contact-keeper.ts';
import { Discovery } from '../node/discovery.ts';
import { checkMemoryBytes, NODE_LIMITS, readNodeLimits } from '../node/limits-of.ts';
import { checkStunServers } from '../node/check-stun-servers.ts';
import { checkNetworkName } from '../node/network-name.ts';
import type { Platform } from '../node/node-context.ts';
import { optionsOf, type Kinds } from '../node/options-of.ts';
import { parseMultiaddr } from '../node/shoal-libp2p.ts';
import { ShoalNode } from '../node/shoal-node.ts';
import { openPageStore, type OpenedPageStore } from '../browser-store/open-page-store.ts';
import { SwarmShell } from '../swarm/swarm-shell.ts';
import { checkBrowser } from './check-browser.ts';
import { createPageLibp2p } from './page-libp2p.ts';
import { PageNode } from './page-node.ts';
import { canPageDial, inPageOrder, noBrowserAddress, reachOfPage, type PageReach } from './page-reach.ts';

/** A phone's tab may have so much in memory; more is the application's to decide. */
const DEFAULT_MEMORY_BYTES = 1024 ** 3;

/**
 * Requested and not yet stored: 30 MB/s, which is what a browser's WebRTC does, over a loop of half a second. Nothing can
 * slow a sender on WebRTC down but what it is asked for.
 */
const MAX_INBOUND_BYTES = 16 << 20;

/**
 * Neighbours in a swarm, of the 30 that a node has: each is a WebRTC connection, whose handshake takes tens of milliseconds
 * of CPU at both ends, and which browsers have but some hundred of. With 6 in place of 8 a hundred equal uplinks take 3 %
 * longer in the simulator, and ten no longer; with 4 they take 6 %, and some crowds did not finish when the origin died.
 */
const DEGREE = 6;

/** For the same reason an idle uplink is no haste: who finishes with others would dial everybody at the end. */
const IDLE_DIAL_MS = 3000;

/** For the same reason: with more, twenty pages of a machine of two cores took so long over it that most dials timed out. */
const DIALS_AT_A_TIME = 3;

/**
 * Starts a node in this page. It dials nodes and listens nowhere; what it has it serves to those it is connected to, until
 * the page goes. What it has fetched stays, where the browser has a place for it: the next page goes on from there.
 *
 * @example
 * ```ts
 * const shoal = await createShoal();
 * const asset = await shoal.open(link);
 * const { blob } = await asset.save({ onProgress: ({ bytes, total }) => console.log(bytes / total) });
 * ```
 * @throws ERR_INSECURE_CONTEXT, ERR_UNSUPPORTED_PLATFORM, ERR_INVALID_MULTIADDR, ERR_NO_BROWSER_ADDRESS (of `peers`),
 * ERR_OPTION, ERR_NETWORK_NAME, ERR_LIMIT, and the abort reason
 */
export async function createShoal(given?: PageShoalOptions): Promise<PageShoal> {
  checkBrowser();
  const options = optionsOf(given, SETTINGS);
  options.signal?.throwIfAborted();
  const { network = 'main', memoryBytes = DEFAULT_MEMORY_BYTES, peers = [] } = options;
  checkNetworkName(network);
  checkMemoryBytes(memoryBytes);
  readNodeLimits(options);
  checkStunServers(options.stunServers);
  const reach = reachOfPage();
  for (const peer of peers) {
    parseMultiaddr(peer);
    if (!canPageDial(peer, reach)) throw noBrowserAddress(peer, [peer], reach);
  }
  const log = applicationLog(options.log);
  // The node, the swarm, discovery and the store need one another's answers; none asks before `node` is there.
  const late: { node?: ShoalNode } = {};
  const opened = await openPageStore({
    storage: options.storage ?? 'auto',
    memoryBytes,
    persist: options.persist ?? false,
    log,
    onEvicted: (root, error) => late.node?.handleAssetError(root, error),
    signal: options.signal,
  });
  try {
    return await start(options, opened, late, reach, log);
  } catch (error) {
    await opened.store.close();
    throw error;
  }
}

async function start(
  options: PageShoalOptions,
  opened: OpenedPageStore,
  late: { node?: ShoalNode },
  reach: PageReach,
  log: (level: LogLevel, message: string) => void,
): Promise<PageShoal> {
  const { network = 'main', peers = [] } = options;
  const { store } = opened;
  const canDial = (address: string): boolean => canPageDial(address, reach);
  const libp2p = await createPageLibp2p({
    identity: await store.identity(),
    reach,
    stunServers: options.stunServers ?? [],
    isBanned: (peer) => shell.isBanned(peer.toString()),
    log,
  });
  const shell: SwarmShell = new SwarmShell({
    libp2p,
    network,
    canDial,
    log,
    uploadBytesPerSec: options.uploadBytesPerSec,
    downloadBytesPerSec: options.downloadBytesPerSec,
    perPeer: options.perPeer,
    exchangeConfig: { maxInboundBytes: MAX_INBOUND_BYTES, degree: DEGREE, idleDialMs: IDLE_DIAL_MS },
    dialsAtATime: DIALS_AT_A_TIME,
    resolveAsset: async (root: CID, isSlowTurn: () => Promise<boolean>) =>
      late.node?.resolve(root, isSlowTurn),
    getNode: async (root: CID, cid: CID) => late.node?.nodeFor(root, cid),
    onUpload: (root: CID, peer: string, bytes: number) => late.node?.handleUpload(root, peer, bytes),
    onAssetError: (root: CID, error: ShoalError) => late.node?.handleAssetError(root, error),
    onAssetReadable: (root: CID) => late.node?.handleAssetReadable(root),
    onMisbehaved: (peer: string, code: string, message: string) => {
      log('warn', `cut off ${peer}: ${message} (${code})`);
      late.node?.emit('peer:misbehaved', { peer, code, message });
    },
  });
  const discovery = new Discovery({
    libp2p,
    network,
    named: peers,
    canDial,
    inOrder: (addresses) => inPageOrder(addresses, reach),
    log,
  });
  const book = new ContactBook(store, network);
  const keeper = new ContactKeeper({
    libp2p,
    book,
    swarms: () => shell.swarms(),
    dhtPeers: () => discovery.dhtPeers,
    log,
  });
  const node = new ShoalNode({ platform: PAGE, store, libp2p, shell, discovery, book, keeper, log });
  late.node = node;
  try {
    await shell.start();
    await libp2p.start();
    options.signal?.throwIfAborted();
    discovery.start();
    keeper.start();
    return new PageNode(node, opened, reach, peers.length > 0);
  } catch (error) {
    await node.close();
    throw error;
  }
}

const SETTINGS: Kinds<PageShoalOptions> = {
  ...NODE_LIMITS,
  network: 'string',
  peers: 'Array',
  stunServers: 'Array',
  storage: 'string',
  persist: 'boolean',
  memoryBytes: 'any',
  log: 'function',
  signal: 'AbortSignal',
};

/** Pages have no paths; their files go to the store without a detour (`PageNode.share`). */
const PAGE: Platform = {
  resolvePath: (path) => path,
  toStoreSource: () => {
    throw new ShoalError('ERR_SHARE_SOURCE', 'a page has no paths; share a File, or several');
  },
};
