import type { Libp2p, Peer, PeerId, PeerUpdate } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import type { ShoalError } from '../errors.ts';
import type { StoredAsset } from '../store/store.ts';
import { AssetSession, type AssetSessionEvents, type SessionStats } from './asset-session.ts';
import { AssetTable, type ActiveAsset } from './asset-table.ts';
import { BanList } from './ban-list.ts';
import type { Action } from './core/events.ts';
import type { ExchangeConfig } from './core/exchange-config.ts';
import { Exchange } from './core/exchange.ts';
import type { AssetKey, Contact, PeerKey } from './core/messages.ts';
import type { RateLimits } from './core/rate-limits.ts';
import { seededRng } from './core/rng.ts';
import { TRACE_VERSION } from './core/trace-lines.ts';
import { Dialer } from './dialer.ts';
import { ExchangeDriver, type ExchangeTrace } from './exchange-driver.ts';
import { IncomingChunks } from './incoming-chunks.ts';
import { CARE_MS, LinkCare } from './link-care.ts';
import { letExit } from './let-exit.ts';
import { LinkMessages } from './link-messages.ts';
import { LinkTable } from './link-table.ts';
import type { Log } from './log.ts';
import { NodeSwarm } from './node-swarm.ts';
import type { FetchNodesOptions, Walk } from './node-fetch.ts';
import { OutgoingChunks } from './outgoing-chunks.ts';
import type { PeerLink } from './peer-link.ts';
import { toWire } from './translate.ts';
import { widestFirst } from './widest-first.ts';
import { INSTANCE_BYTES } from './wire/limits.ts';

export type { AssetSession } from './asset-session.ts';

/** Links that are missing, greetings, fetches of nodes and roots that could not be opened are looked after this often. */
const TICK_MS = 5000;

/** `stop` waits for writes and goodbyes no longer than this. */
const STOP_MS = 1000;

/** What a {@link SwarmShell} is made from. */
export interface SwarmShellOptions {
  /** Need not be started. */
  libp2p: Libp2p;
  /** Part of the protocol ids, so that networks never mix. */
  network: string;
  exchangeConfig?: ExchangeConfig;
  /** Contacts dialled at a time. Default: 8. */
  dialsAtATime?: number;
  /** Whether this node has a transport for an address: of what others tell, the rest is passed over. Default: for all. */
  canDial?: (address: string) => boolean;
  log?: Log;
  /** Chance of the exchange, in [0, 1). Default `Math.random`. */
  rng?: () => number;
  /** Records the exchange; its seed takes the place of `rng`. Ended by `stop`. */
  trace?: ExchangeTrace | undefined;
  /**
   * Looks up a root that a peer named and that nobody joined. What it returns is the shell's to close; where it throws, the
   * root is looked up again while a peer names it.
   *
   * @param isSlowTurn see `AssetTableHost.resolve`
   */
  resolveAsset: (root: CID, isSlowTurn: () => Promise<boolean>) => Promise<StoredAsset | undefined>;
  /** An interior node of any asset, for peers that named its root. */
  getNode: (root: CID, cid: CID) => Promise<Uint8Array | undefined>;
  uploadBytesPerSec?: number | undefined;
  downloadBytesPerSec?: number | undefined;
  /** Limits of each single peer. */
  perPeer?: RateLimits | undefined;
  /** A peer lied or broke the protocol, and was cut off. */
  onMisbehaved?: (peer: PeerKey, code: string, message: string) => void;
  /** Bytes of an asset that nobody joined were handed to the socket for a peer. */
  onUpload?: (root: CID, peer: PeerKey, bytes: number) => void;
  /** The local copy of an asset that nobody joined failed. */
  onAssetError?: (root: CID, error: ShoalError) => void;
  /** It can be read again. */
  onAssetReadable?: (root: CID) => void;
}

/** What `join` takes besides the asset. */
export interface JoinOptions extends AssetSessionEvents {
  /** This node published it. */
  origin: boolean;
  /** What to download at first. */
  wanted: 'all' | 'none';
}

/**
 * The swarm on libp2p streams: carries the exchange's messages and data over one link to each peer, verifies
 * and stores what arrives, serves what is here, and fetches interior nodes. The decisions are the core's.
 */
export class SwarmShell {
  readonly #options: SwarmShellOptions;
  readonly #exchange: Exchange;
  readonly #driver: ExchangeDriver;
  readonly #links: LinkTable;
  readonly #assets: AssetTable;
  readonly #dialer: Dialer;
  readonly #nodes: NodeSwarm;
  readonly #care: LinkCare;
  readonly #incoming: IncomingChunks;
  readonly #outgoing: OutgoingChunks;
  readonly #messages: LinkMessages;
  readonly #banned = new BanList();
  readonly #stopping = new AbortController();
  /** Limits of assets by root, active or not. */
  readonly #assetLimits = new Map<string, RateLimits>();
  #tick: NodeJS.Timeout | undefined;
  #careTick: NodeJS.Timeout | undefined;

  constructor(options: SwarmShellOptions) {
    this.#options = options;
    const { libp2p, network, uploadBytesPerSec, downloadBytesPerSec, perPeer = {} } = options;
    const limits = { uploadBytesPerSec, downloadBytesPerSec, perPeer };
    const nowMs = (): number => performance.now();
    const log = options.log ?? ((): void => {});
    const config = { self: libp2p.peerId.toString(), ...options.exchangeConfig, ...limits };
    const { trace } = options;
    const rng = trace ? seededRng(trace.seed) : (options.rng ?? Math.random);
    trace?.write({ kind: 'start', version: TRACE_VERSION, seed: trace.seed, config });
    this.#exchange = new Exchange(config, rng);
    this.#driver = new ExchangeDriver(this.#exchange, nowMs, (action) => this.#act(action), trace?.write);
    this.#links = new LinkTable({
      libp2p,
      network,
      instance: crypto.getRandomValues(new Uint8Array(INSTANCE_BYTES)),
      nowMs,
      log,
      isBanned: (peer) => this.isBanned(peer),
      events: {
        onGreeted: (link) => this.#nodes.linkGreeted(link),
        onLost: (link) => this.#nodes.linkDown(link),
        onUp: (link) => this.#linkUp(link),
        onRival: (link) => this.#care.doubt(link),
        onDown: (link) => this.#linkDown(link),
        onMessage: (link, message) => {
          if (message.type === 'ack' && !this.#outgoing.hasWritten(link.peer, message.bytes))
            return this.#punish(
              link.peer,
              'ERR_PEER_FALSE_ACK',
              'it acknowledged bytes that were not sent yet',
            );
          this.#messages.receive(link, message);
          if (message.type === 'ack') this.#outgoing.acked(link.peer, message);
        },
        inbox: (link) => this.#incoming.inboxOf(link),
        onDrain: (link) => this.#outgoing.drained(link.peer),
        onBroken: (peer, error) => this.#punish(peer, error.code, error.message),
      },
    });
    this.#assets = new AssetTable({
      nowMs,
      log,
      handle: (event) => this.#driver.handle(event),
      resolve: options.resolveAsset,
      onActive: (asset) => this.#activated(asset),
      isNamed: (root) => this.isNamed(root),
      isLacked: (key) => this.#exchange.isLacked(key),
    });
    this.#care = new LinkCare({ nowMs, links: this.#links, handle: (event) => this.#driver.handle(event) });
    this.#incoming = new IncomingChunks({
      assets: this.#assets,
      keeps: (peer, asset, chunk) => this.#exchange.keeps(peer, asset, chunk),
      isLacked: (key) => this.#exchange.isLacked(key),
      handle: (event) => this.#driver.handle(event),
    });
    this.#outgoing = new OutgoingChunks({
      nowMs,
      assets: this.#assets,
      links: this.#links,
      handle: (event) => this.#driver.handle(event),
      isStuck: (peer) => this.#exchange.isStuck(peer),
      onUpload: options.onUpload,
      onAssetError: options.onAssetError,
      onAssetReadable: options.onAssetReadable,
    });
    this.#outgoing.setLimit(uploadBytesPerSec);
    this.#dialer = new Dialer({
      libp2p,
      dialsAtATime: options.dialsAtATime,
      ensure: (connection) => this.#links.ensure(connection),
      onFailed: (peer, error) => {
        log('debug', `cannot reach ${peer}: ${String(error)}`);
        this.#driver.handle({ type: 'dial-failed', peer });
      },
    });
    this.#nodes = new NodeSwarm({
      nowMs,
      links: this.#links,
      assets: this.#assets,
      getNode: options.getNode,
      blame: (peer, code, message) => this.#punish(peer, code, message),
      care: this.#care,
    });
    this.#messages = new LinkMessages({
      nowMs,
      assets: this.#assets,
      nodes: this.#nodes,
      care: this.#care,
      handle: (event) => this.#driver.handle(event),
      isLacked: (key) => this.#exchange.isLacked(key),
      canDial: options.canDial ?? (() => true),
    });
  }

  /** Takes links from now on. libp2p may be started before or after. */
  async start(): Promise<void> {
    await this.#links.start();
    this.#options.libp2p.addEventListener(
      'peer:update',
      (event: CustomEvent<PeerUpdate>) => {
        this.#reachable(event.detail.peer);
      },
      { signal: this.#stopping.signal },
    );
    this.#tick = setInterval(() => this.#lookAfter(), TICK_MS);
    this.#careTick = setInterval(() => {
      this.#care.tick();
      this.#outgoing.retry();
    }, CARE_MS);
  }

  /** Says goodbye on every link and releases everything. Sessions end; waits at most a second. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearInterval(this.#tick);
    clearInterval(this.#careTick);
    this.#nodes.stop();
    const ending = Promise.allSettled([
      this.#assets.stop(),
      this.#dialer.stop(),
      this.#links.stop(),
      this.#incoming.settled(),
    ]);
    this.#outgoing.stop();
    this.#driver.stop();
    this.#options.trace?.end();
    await Promise.race([ending, new Promise((resolve) => letExit(setTimeout(resolve, STOP_MS)))]);
  }

  /**
   * Takes part in an asset's swarm.
   *
   * @throws ERR_ALREADY_JOINED where another session of the same root has not left
   */
  join(stored: StoredAsset, options: JoinOptions): AssetSession {
    const { origin, wanted, ...events } = options;
    let asset: ActiveAsset | undefined;
    const session = new AssetSession(
      events,
      {
        want: (chunks, urgent) => {
          if (!asset) return;
          const { chunks: soon, dueInMs } = urgent;
          this.#driver.handle({ type: 'want', asset: asset.key, wanted: chunks, urgent: soon, dueInMs });
          if (chunks === 'none') return;
          this.#links.openAll();
          this.#relyOnLinks();
          for (const link of this.#links.values()) this.#messages.wanted(link, asset);
        },
        hurry: ({ chunks, dueInMs }) => {
          if (asset) this.#driver.handle({ type: 'urgent', asset: asset.key, urgent: chunks, dueInMs });
        },
        leave: () => {
          if (asset) this.#assets.remove(asset);
        },
        stats: () => asset && this.#statsOf(asset),
      },
      wanted !== 'none',
    );
    if (wanted === 'none') this.#messages.opened();
    asset = this.#assets.add(stored, { origin, wanted, session });
    if (wanted !== 'none') this.#links.openAll();
    return session;
  }

  /**
   * Fetches interior nodes from every connected peer that has the root, now or later, until `walk` is done (or
   * has its root). A peer whose node does not match is cut off.
   *
   * @throws the abort reason; what `walk.add` throws for an asset that cannot be fetched, and `onNode`
   */
  async fetchNodes(root: CID, walk: Walk, options: FetchNodesOptions): Promise<void> {
    this.#links.openAll(true);
    this.#relyOnLinks();
    // A LEAVE that waits must not come after the JOIN of this fetch.
    this.#driver.drain();
    await this.#nodes.fetch(root, walk, options);
  }

  /**
   * Peers that may have the root. Dialled as the exchange sees fit, or at once while only its nodes are fetched.
   *
   * @param source who told of them, and may lie; undefined: this node knows them itself
   */
  addContacts(root: CID, contacts: readonly Contact[], source?: PeerKey): void {
    const asset = this.#assets.get(root.toString());
    if (asset) return this.#driver.handle({ type: 'contacts', asset: asset.key, contacts, source });
    for (const contact of contacts) {
      const isKnown =
        contact.peer === this.#options.libp2p.peerId.toString() || this.#links.get(contact.peer);
      if (!isKnown && !this.isBanned(contact.peer)) this.#dialer.dial(contact, source);
    }
  }

  /** Who takes part in which swarm now, where anybody does, and who of them gave verified bytes of it. */
  *swarms(): Generator<{ root: CID; peers: readonly PeerKey[]; gave: (peer: PeerKey) => boolean }> {
    for (const { key, root } of this.#assets.values()) {
      const stats = this.#exchange.hasMembers(key) ? this.#exchange.stats(key) : undefined;
      if (stats) yield { root, peers: stats.peers, gave: (peer) => stats.receivedByPeer.has(peer) };
    }
  }

  /** Whether a connected peer named the root: it waits for it, or has it. */
  isNamed(root: CID): boolean {
    const text = root.toString();
    for (const link of this.#links.values()) if (link.named.find(text)) return true;
    return false;
  }

  /** The root is removed from the store: what was opened of it for peers, without a session, is served no more. */
  async forget(root: CID): Promise<void> {
    await this.#assets.forget(root.toString());
  }

  /** Changes the limits of the node and of each single peer while running; undefined: none. */
  setLimits(limits: RateLimits & { perPeer?: RateLimits | undefined }): void {
    const { uploadBytesPerSec, downloadBytesPerSec, perPeer } = limits;
    this.#outgoing.setLimit(uploadBytesPerSec);
    this.#driver.handle({ type: 'limits', uploadBytesPerSec, downloadBytesPerSec, perPeer });
  }

  /** Changes the limits of an asset, whether or not it is active now. */
  setAssetLimits(root: CID, { uploadBytesPerSec, downloadBytesPerSec }: RateLimits): void {
    const text = root.toString();
    if (uploadBytesPerSec === undefined && downloadBytesPerSec === undefined) this.#assetLimits.delete(text);
    else this.#assetLimits.set(text, { uploadBytesPerSec, downloadBytesPerSec });
    const asset = this.#assets.get(text);
    if (asset) this.#limit(asset, { uploadBytesPerSec, downloadBytesPerSec });
  }

  /** Whether the peer lied lately: for the connection gate. */
  isBanned(peer: PeerKey): boolean {
    return this.#banned.has(performance.now(), peer);
  }

  /** Peers that a link is up to. */
  get peers(): PeerKey[] {
    return [...this.#links.values()].map((link) => link.peer);
  }

  #relyOnLinks(): void {
    for (const link of this.#links.values()) this.#care.rely(link);
  }

  #act(action: Action): void {
    switch (action.type) {
      case 'send':
        return this.#send(action);
      case 'upload':
        return this.#outgoing.add(action);
      case 'cancel-upload':
        return this.#outgoing.cancel(action);
      case 'dial':
        if (!this.isBanned(action.contact.peer)) return this.#dialer.dial(action.contact);
        return this.#driver.handle({ type: 'dial-failed', peer: action.contact.peer });
      case 'close':
        return this.#links.get(action.peer)?.end(undefined, action.reason);
      case 'misbehaved':
        return this.#punish(action.peer, action.code, action.message);
      case 'complete':
        return this.#assets.byKey(action.asset)?.session?.events.onComplete?.();
    }
  }

  #send({ peer, message }: Extract<Action, { type: 'send' }>): void {
    const link = this.#links.get(peer);
    if (!link) return;
    const rootOf = (asset: AssetKey): Uint8Array | undefined => this.#assets.byKey(asset)?.root.bytes;
    for (const wire of toWire(message, rootOf)) link.send(wire);
    if (message.type === 'leave') this.#nodes.left(link, message.asset);
  }

  #limit(asset: ActiveAsset, { uploadBytesPerSec, downloadBytesPerSec }: RateLimits): void {
    this.#driver.handle({ type: 'asset-limits', asset: asset.key, uploadBytesPerSec, downloadBytesPerSec });
  }

  /** An asset became active: it has its limits, and peers that named it before are members now. */
  #activated(asset: ActiveAsset): void {
    const limits = this.#assetLimits.get(asset.text);
    if (limits) this.#limit(asset, limits);
    for (const link of this.#links.values()) this.#messages.activated(link, asset);
  }

  #linkUp(link: PeerLink): void {
    const greeted = link.isOpener ? { named: [...link.asked] } : { isAccepted: true };
    this.#driver.handle({ type: 'connected', peer: link.peer, ...greeted });
    this.#care.ping(link);
    this.#nodes.linkUp(link);
    void this.#tellReachable(link.connection.remotePeer);
  }

  #linkDown(link: PeerLink): void {
    // What waits for this link must not go out on its replacement: an ACK would be a lie there.
    this.#driver.drain();
    this.#outgoing.drop(link.peer);
    this.#driver.handle({ type: 'gone', peer: link.peer });
    this.#nodes.linkDown(link);
  }

  async #tellReachable(peer: PeerId): Promise<void> {
    try {
      this.#reachable(await this.#options.libp2p.peerStore.get(peer));
    } catch {
      // Not in the peer store yet: `peer:update` tells when identify has put it there.
    }
  }

  #reachable({ id, addresses }: Peer): void {
    const texts = widestFirst(addresses.map(({ multiaddr }) => multiaddr.toString()));
    this.#driver.handle({ type: 'reachable', peer: id.toString(), addresses: texts });
  }

  #punish(peer: PeerKey, code: string, message: string): void {
    this.#banned.add(performance.now(), peer);
    const link = this.#links.get(peer);
    link?.end(undefined, code);
    this.#options.onMisbehaved?.(peer, code, message);
    for (const connection of this.#options.libp2p.getConnections()) {
      if (connection.remotePeer.toString() !== peer) continue;
      connection.close().catch((error: unknown) => connection.abort(error as Error));
    }
  }

  #lookAfter(): void {
    this.#links.tick();
    this.#nodes.tick();
    this.#assets.retry();
    this.#outgoing.lookAfter();
  }

  #statsOf(asset: ActiveAsset): SessionStats | undefined {
    const stats = this.#exchange.stats(asset.key);
    return (
      stats && {
        receivedByPeer: stats.receivedByPeer,
        peers: stats.peers.length,
        left: stats.left,
        failed: stats.failed,
        bytesPerSec: stats.bytesPerSec,
      }
    );
  }
}
