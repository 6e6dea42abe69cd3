import { rm } from 'node:fs/promises';
import type { LogLevel, Shoal, ShoalOptions } from '../api.ts';
import type { ShoalError } from '../errors.ts';
import { absolutePath } from '../store/absolute-path.ts';
import { openStore } from '../store/open-store.ts';
import type { Store, StoredAsset } from '../store/store.ts';
import { SwarmShell } from '../swarm/swarm-shell.ts';
import type { CID } from 'multiformats/cid';
import { applicationLog } from './application-log.ts';
import { checkStunServers } from './check-stun-servers.ts';
import { defaultDataDir } from './data-dir.ts';
import { defaultListen } from './default-listen.ts';
import { Announcer } from './announcer.ts';
import { ContactBook } from './contact-book.ts';
import { ContactKeeper } from './contact-keeper.ts';
import { Discovery } from './discovery.ts';
import { canNodeDial, isForPages, withPageAddresses } from './listen-addresses.ts';
import { NODE_LIMITS, readNodeLimits } from './limits-of.ts';
import { keepPorts, withKnownPorts } from './listen-ports.ts';
import { createLibp2pNode, startLibp2pNode } from './libp2p-node.ts';
import { LocalPeers } from './local-peers.ts';
import { parseMultiaddr, type ShoalLibp2p } from './shoal-libp2p.ts';
import { tendMemory } from './memory-at-rest.ts';
import { checkNetworkName } from './network-name.ts';
import { optionsOf, type Kinds } from './options-of.ts';
import type { PageTransports } from './page-transports.ts';
import { relayBoundsOf } from './relay-service.ts';
import { toStoreSource } from './share-source.ts';
import { ShoalNode } from './shoal-node.ts';
import { openTrace } from './trace-file.ts';

/**
 * Starts a node: opens the data folder (which this process then owns), listens, and connects to the peers named.
 *
 * @example
 * ```ts
 * await using shoal = await createShoal({ dataDir: './data', listen: ['/ip4/0.0.0.0/tcp/0'] });
 * const { cid, link } = await shoal.share('./video.mp4');
 * ```
 * @throws ERR_DATA_DIR_IN_USE where another process owns the folder, ERR_DATA_DIR_VERSION, ERR_INDEX_CORRUPT,
 * ERR_READ_ONLY, ERR_NOT_A_DIRECTORY, ERR_ACCESS, ERR_IDENTITY, ERR_ADDRESS_IN_USE, ERR_LISTEN, ERR_OPTION,
 * ERR_INVALID_MULTIADDR, ERR_NETWORK_NAME, ERR_LIMIT, ERR_RELAY_BOUNDS, ERR_STUN_SERVER, ERR_TARGET_EXISTS (of `trace`), and the abort reason
 */
export async function createShoal(given?: ShoalOptions): Promise<Shoal> {
  const options = settingsOf(given);
  options.signal?.throwIfAborted();
  const log = applicationLog(options.log);
  const store = await openStore(options.dataDir ?? defaultDataDir(), { signal: options.signal, log });
  try {
    return await startNode(options, store, log);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function startNode(
  options: ShoalOptions,
  store: Store,
  log: (level: LogLevel, message: string) => void,
): Promise<ShoalNode> {
  const { wanted, forPages } = await ways(options, store, log);
  const { relay = forPages !== undefined } = options;
  const canDial = (address: string): boolean => canNodeDial(address, forPages);
  const listen = await withKnownPorts(store, wanted);
  const network = options.network ?? 'main';
  // The node, the swarm and discovery need one another's answers; none asks before `node` is there.
  const late: { node?: ShoalNode } = {};
  const libp2p: ShoalLibp2p = await createLibp2pNode({
    identity: await store.identity(),
    listen,
    transports: forPages?.transports,
    hasWebRtc: forPages?.hasWebRtc,
    log,
    relay: relay === true ? {} : relay || undefined,
    network,
    mdns: options.mdns ?? true,
    dht: options.dht ?? true,
    isBanned: (peer) => shell.isBanned(peer.toString()),
    onLocalPeer: (peer) => local?.add(peer),
  });
  const local = (options.mdns ?? true) ? new LocalPeers(libp2p, log) : undefined;
  const shell: SwarmShell = new SwarmShell({
    libp2p,
    network,
    canDial,
    log,
    uploadBytesPerSec: options.uploadBytesPerSec,
    downloadBytesPerSec: options.downloadBytesPerSec,
    perPeer: options.perPeer,
    trace: options.trace === undefined ? undefined : openTrace(absolutePath(options.trace), log),
    exchangeConfig: { fleet: options.fleet ?? false, offload: options.offload ?? false },
    resolveAsset: async (root: CID, isSlowTurn: () => Promise<boolean>): Promise<StoredAsset | undefined> =>
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
  const named = [...(options.peers ?? []), ...(options.bootstrap ?? [])];
  const book = new ContactBook(store, network);
  const discovery: Discovery = new Discovery({
    libp2p,
    network,
    named,
    announcer: new Announcer({ libp2p, network, log }),
    ...(local && { local }),
    canDial,
    earlierNodes: () => book.dhtPeers(),
    log,
  });
  const keeper = new ContactKeeper({
    libp2p,
    book,
    swarms: () => shell.swarms(),
    dhtPeers: () => discovery.dhtPeers,
    log,
  });
  const node = new ShoalNode({
    platform: { resolvePath: absolutePath, toStoreSource },
    store,
    libp2p,
    shell,
    discovery,
    book,
    keeper,
    log,
  });
  late.node = node;
  try {
    await shell.start();
    await startLibp2pNode(libp2p, listen);
    options.signal?.throwIfAborted();
    await keepPorts(store, wanted, node.addresses);
    discovery.start();
    keeper.start();
    tendMemory(node.closing);
    await discovery.rejoinDht();
    node.started();
    return node;
  } catch (error) {
    await node.close();
    // It would keep the next try from starting.
    if (options.trace !== undefined) await rm(options.trace, { force: true });
    throw error;
  }
}

/** Where to listen, and over what besides TCP: what serves pages is loaded only by nodes that do. */
async function ways(
  options: ShoalOptions,
  store: Store,
  log: (level: LogLevel, message: string) => void,
): Promise<{ wanted: string[]; forPages: PageTransports | undefined }> {
  const named = options.listen ?? defaultListen();
  const wanted = options.web ? withPageAddresses(named) : [...named];
  if (!wanted.some(isForPages)) return { wanted, forPages: undefined };
  const { pageTransports } = await import('./page-transports.ts');
  const forPages = await pageTransports(store, options.stunServers ?? [], log);
  // What was named stays, and fails with its reason; what `web` adds is what can be had.
  const isListened = (address: string): boolean =>
    forPages.hasWebRtc || !address.includes('/webrtc-direct') || named.includes(address);
  return { wanted: wanted.filter(isListened), forPages };
}

const SETTINGS: Kinds<ShoalOptions> = {
  ...NODE_LIMITS,
  dataDir: 'string',
  listen: 'Array',
  web: 'boolean',
  relay: 'any',
  stunServers: 'Array',
  network: 'string',
  peers: 'Array',
  bootstrap: 'Array',
  mdns: 'boolean',
  dht: 'boolean',
  fleet: 'boolean',
  offload: 'boolean',
  trace: 'string',
  log: 'function',
  signal: 'AbortSignal',
};

function settingsOf(given: ShoalOptions | undefined): ShoalOptions {
  const options = optionsOf(given, SETTINGS);
  const { network, listen = [], peers = [], bootstrap = [], relay } = options;
  if (network !== undefined) checkNetworkName(network);
  for (const address of [...listen, ...peers, ...bootstrap]) parseMultiaddr(address);
  readNodeLimits(options);
  checkStunServers(options.stunServers);
  if (relay !== undefined) options.relay = relayBoundsOf(relay);
  return options;
}
