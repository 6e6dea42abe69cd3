import { setMaxListeners } from 'main-event';
import type { CID } from 'multiformats/cid';
import type {
  AssetInfo,
  LogLevel,
  OpenOptions,
  RateLimits,
  Shared,
  ShareOptions,
  ShareSource,
  Shoal,
  ShoalEvents,
  VerifyOptions,
  VerifyReport,
} from '../api.ts';
import { ShoalError } from '../errors.ts';
import { parseCid } from '../integrity/parse-cid.ts';
import { orAbort } from '../store/or-abort.ts';
import type { AssetRecord, Store, StoredAsset } from '../store/store.ts';
import type { Contact } from '../swarm/core/messages.ts';
import { directConnection } from '../swarm/direct-connection.ts';
import type { SwarmShell } from '../swarm/swarm-shell.ts';
import { ActiveAsset } from './active-asset.ts';
import { AssetHandle, DEFAULT_TIMEOUT_MS } from './asset-handle.ts';
import { limitsOf, nodeLimitsOf } from './limits-of.ts';
import type { ContactBook } from './contact-book.ts';
import type { ContactKeeper } from './contact-keeper.ts';
import { dialFailure } from './dial-failure.ts';
import type { Discovery } from './discovery.ts';
import { byReach } from './listen-addresses.ts';
import { parseMultiaddr, type ShoalLibp2p } from './shoal-libp2p.ts';
import { formatLink, parseLink } from './link.ts';
import { loadDag } from './load-dag.ts';
import { optionsOf } from './options-of.ts';
import type { NodeContext, Platform } from './node-context.ts';
import { UploadTally } from './upload-tally.ts';
import { verifyAssets } from './verify-assets.ts';

/** The running parts that a {@link ShoalNode} is made from; it closes them all. */
export interface ShoalNodeParts {
  platform: Platform;
  store: Store;
  libp2p: ShoalLibp2p;
  shell: SwarmShell;
  discovery: Discovery;
  book: ContactBook;
  keeper: ContactKeeper;
  log: (level: LogLevel, message: string) => void;
}

/**
 * What is shared stays open and in its swarm, ready for the first peer, up to so many assets. Beyond that one is opened when
 * a peer names it: an open asset takes 14 KB and more, and is looked at with each tick.
 */
const MAX_KEPT_ACTIVE = 256;

/** `connect` to a host that drops packets ends after this. */
const CONNECT_TIMEOUT_MS = 10_000;

/** The node behind `createShoal`: see `Shoal` in api.ts. */
export class ShoalNode implements Shoal, NodeContext {
  readonly platform: Platform;
  readonly store: Store;
  readonly libp2p: ShoalLibp2p;
  readonly shell: SwarmShell;
  readonly discovery: Discovery;
  readonly book: ContactBook;
  readonly log: (level: LogLevel, message: string) => void;
  readonly #keeper: ContactKeeper;
  readonly #events = new EventTarget();
  readonly #active = new Map<string, ActiveAsset>();
  /** An event of the root's name for each asset that becomes active. */
  readonly #activated = new EventTarget();
  readonly #queues = new Map<string, Promise<unknown>>();
  readonly #closing = new AbortController();
  readonly #uploads = new UploadTally((cid, peer, bytes) => this.emit('asset:upload', { cid, peer, bytes }));
  /** The last local failure told of each asset. */
  readonly #told = new Map<string, string>();
  /** Those that were told of last, as one text. */
  #addresses = '';
  #closed: Promise<void> | undefined;

  constructor(parts: ShoalNodeParts) {
    this.platform = parts.platform;
    this.store = parts.store;
    this.libp2p = parts.libp2p;
    this.shell = parts.shell;
    this.discovery = parts.discovery;
    this.book = parts.book;
    this.#keeper = parts.keeper;
    this.log = parts.log;
    // Whoever reads an asset waits for it, and an application may listen as often as it likes.
    setMaxListeners(Infinity, this.#events, this.#activated);
    const { signal } = this.#closing;
    const listen = { signal };
    this.libp2p.addEventListener(
      'peer:connect',
      (e) => this.emit('peer:connect', { peer: e.detail.toString() }),
      listen,
    );
    this.libp2p.addEventListener(
      'peer:disconnect',
      (e) => this.emit('peer:disconnect', { peer: e.detail.toString() }),
      listen,
    );
    // libp2p tells of other things here, too.
    this.libp2p.addEventListener(
      'self:peer:update',
      () => this.#noteAddresses() && this.emit('addresses:change', { addresses: this.addresses }),
      listen,
    );
  }

  /** The node has been started: what its addresses are now nobody needs to be told. */
  started(): void {
    this.#noteAddresses();
  }

  /** @returns whether they are others than when they were last noted */
  #noteAddresses(): boolean {
    const now = this.addresses.toSorted().join(' ');
    const areOthers = now !== this.#addresses;
    this.#addresses = now;
    return areOthers;
  }

  get id(): string {
    return this.libp2p.peerId.toString();
  }

  get dataDir(): string {
    return this.store.dataDir;
  }

  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get addresses(): string[] {
    return byReach(this.libp2p.getMultiaddrs().map(String));
  }

  async share(source: ShareSource, options?: ShareOptions): Promise<Shared> {
    const { name, chunkSize, onProgress, signal: given } = optionsOf(options);
    const signal = this.#signal(given);
    const record = await this.store.share(this.platform.toStoreSource(source, name), {
      name,
      chunkSize,
      signal,
      onProgress: (bytes, total) => onProgress?.({ bytes, total }),
    });
    return this.publish(record, signal);
  }

  /** Serves what the store shares from now on. */
  async publish(record: AssetRecord, signal: AbortSignal = this.closing): Promise<Shared> {
    // It may be active as what it was before, a download perhaps, or a peer waits for it.
    const isAwaited = this.active(record.root) !== undefined || this.shell.isNamed(record.root);
    if (isAwaited || this.#active.size < MAX_KEPT_ACTIVE) {
      await this.exclusive(record.root, signal, async () => {
        const stored = await this.store.open(record.root, { signal });
        if (!stored) return;
        this.#told.delete(record.root.toString());
        const open = async (): Promise<StoredAsset> => stored;
        const active = this.active(record.root);
        // Whoever reads it goes on from there.
        if (active) await active.replace(open, open);
        else await this.activate(record.root, stored);
      });
    }
    // It may have been removed since.
    if (await this.store.get(record.root)) this.discovery.provide(record.root);
    return {
      cid: record.root.toString(),
      link: formatLink(record.root, record.name, this.addresses),
      name: record.name,
      bytes: record.bytes ?? 0,
      path: record.path,
    };
  }

  async open(cidOrLink: string, options?: OpenOptions): Promise<AssetHandle> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = optionsOf(options);
    const { cid: root, name, addresses } = parseLink(cidOrLink);
    const walk = await loadDag(this, root, {
      depth: 'root',
      timeoutMs,
      addresses,
      signal: this.#signal(signal),
    });
    const info = walk.rootInfo();
    if (!info) throw new ShoalError('ERR_ASSET_INVALID', `the root of ${root.toString()} could not be read`);
    const known = await this.store.get(root);
    return new AssetHandle({
      context: this,
      root,
      name: name ?? known?.name,
      addresses,
      type: info.type,
      size: info.type === 'file' ? info.size : undefined,
    });
  }

  async *list(): AsyncGenerator<AssetInfo> {
    for await (const record of this.store.list()) {
      const active = this.#active.get(record.root.toString());
      yield {
        cid: record.root.toString(),
        name: record.name,
        type: record.type,
        bytes: record.bytes,
        bytesHere: active?.stored.state === 'partial' ? active.bytesHere() : record.bytesHere,
        state: record.state,
        path: record.path,
      };
    }
  }

  async seed(options?: { signal?: AbortSignal }): Promise<{ assets: number }> {
    const signal = this.#signal(optionsOf(options).signal);
    const swarms: Contact[][] = [];
    for await (const record of this.store.list()) {
      signal.throwIfAborted();
      if (record.bytes === undefined) continue;
      this.discovery.provide(record.root);
      swarms.push(await this.book.contacts(record.root));
    }
    this.discovery.rejoin(swarms);
    return { assets: swarms.length };
  }

  async remove(cid: string, options?: { signal?: AbortSignal }): Promise<void> {
    const root = parseCid(cid);
    const signal = this.#signal(optionsOf(options).signal);
    await this.exclusive(root, signal, async () => {
      if (!(await this.store.get(root))) throw unknownAsset(root);
      this.discovery.unprovide(root);
      await this.deactivate(root);
      await this.shell.forget(root);
      // First of all that is written: on a full disk it makes the room that the rest needs.
      await this.store.remove(root);
      // A peer may have named it meanwhile, and be noted as one of its swarm.
      await this.shell.forget(root);
      await this.#keeper.forget(root);
    });
  }

  async *verify(cid?: string, options?: VerifyOptions): AsyncGenerator<VerifyReport> {
    const { onProgress, signal } = optionsOf(options);
    const only = cid === undefined ? undefined : parseCid(cid);
    if (only && !(await this.store.get(only))) throw unknownAsset(only);
    yield* verifyAssets(this, only, { onProgress, signal: this.#signal(signal) });
  }

  async connect(address: string, options?: { signal?: AbortSignal }): Promise<void> {
    const target = parseMultiaddr(address);
    const signal = this.#signal(optionsOf(options).signal);
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
      await directConnection(this.libp2p, await this.libp2p.dial(target, { signal: limit }), limit);
    } catch (cause) {
      signal.throwIfAborted();
      throw new ShoalError(
        'ERR_PEER_UNREACHABLE',
        `cannot reach ${address}: ${dialFailure(address, cause).message}`,
        { cause, fault: 'none' },
      );
    }
  }

  setLimits(limits: RateLimits & { perPeer?: RateLimits }): void {
    this.shell.setLimits(nodeLimitsOf(limits));
  }

  setAssetLimits(cid: string, limits: RateLimits): void {
    this.shell.setAssetLimits(parseCid(cid), limitsOf(limits));
  }

  addEventListener<K extends keyof ShoalEvents>(
    type: K,
    listener: (event: ShoalEvents[K]) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void {
    this.#events.addEventListener(type, listener as EventListener, options);
  }

  removeEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void {
    this.#events.removeEventListener(type, listener as EventListener);
  }

  emit<K extends keyof ShoalEvents>(type: K, detail: ShoalEvents[K]['detail']): void {
    this.#events.dispatchEvent(new CustomEvent(type, { detail }));
  }

  active(root: CID): ActiveAsset | undefined {
    return this.#active.get(root.toString());
  }

  async whenActive(root: CID, signal: AbortSignal): Promise<ActiveAsset> {
    const cid = root.toString();
    for (;;) {
      signal.throwIfAborted();
      const active = this.#active.get(cid);
      if (active) return active;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      this.#activated.addEventListener(cid, wake, { once: true });
      signal.addEventListener('abort', wake, { once: true });
      await promise;
      this.#activated.removeEventListener(cid, wake);
      signal.removeEventListener('abort', wake);
    }
  }

  async activate(root: CID, stored: StoredAsset): Promise<ActiveAsset> {
    const cid = root.toString();
    await this.deactivate(root);
    this.#told.delete(cid);
    const asset = new ActiveAsset(this.shell, root, stored, {
      onError: (error) => this.handleAssetError(root, error),
      onUpload: (peer, bytes) => this.handleUpload(root, peer, bytes),
      onChunk: (chunk, bytes, peer) => {
        const chunks = asset.stored.manifest.chunkCount;
        this.emit('asset:chunk', { cid, chunk, chunks, bytes, peer });
      },
    });
    this.#active.set(cid, asset);
    this.#activated.dispatchEvent(new Event(cid));
    if (asset.have.count > 0) this.discovery.provide(root);
    return asset;
  }

  async deactivate(root: CID, why?: ShoalError): Promise<void> {
    const asset = this.#active.get(root.toString());
    this.#active.delete(root.toString());
    await asset?.close(why);
  }

  async exclusive<T>(root: CID, signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    const key = root.toString();
    const before = this.#queues.get(key);
    const { promise: mine, resolve: release } = Promise.withResolvers<void>();
    // The tail goes only when everything before it has ended, though a waiter in between gave up.
    const tail: Promise<void> = Promise.allSettled([before, mine]).then(() => {
      if (this.#queues.get(key) === tail) this.#queues.delete(key);
    });
    this.#queues.set(key, tail);
    try {
      await orAbort(Promise.resolve(before), signal);
      return await task();
    } finally {
      release();
    }
  }

  /**
   * The asset that a peer named and that nobody here is active on, for the swarm to serve.
   *
   * @param isSlowTurn asked before what is here of it is hashed
   * @throws why it is here and cannot be opened now
   */
  async resolve(root: CID, isSlowTurn: () => Promise<boolean>): Promise<StoredAsset | undefined> {
    const record: AssetRecord | undefined = await this.store.get(root);
    if (!record) return undefined;
    if (record.state === 'partial' && !(await isSlowTurn())) return undefined;
    if (this.closing.aborted) return undefined;
    try {
      const stored = await this.store.open(root, { signal: this.closing });
      if (stored) this.handleAssetReadable(root);
      return stored;
    } catch (error) {
      if (this.closing.aborted) return undefined;
      if (error instanceof ShoalError) this.handleAssetError(root, error);
      throw error;
    }
  }

  /** A node of an asset that a peer asks for. What can no longer be read is told of, and served no more. */
  async nodeFor(root: CID, cid: CID): Promise<Uint8Array | undefined> {
    try {
      return await this.store.getNode(root, cid);
    } catch (error) {
      if (error instanceof ShoalError && !this.closing.aborted) this.handleAssetError(root, error);
      throw error;
    }
  }

  /** Bytes of an asset were sent to a peer. */
  handleUpload(root: CID, peer: string, bytes: number): void {
    this.#uploads.add(root.toString(), peer, bytes);
  }

  /**
   * The local side of an asset failed: its original changed, a disk is full … Told once, however many chunks it
   * concerns. What is no longer what it was is no longer served.
   */
  handleAssetError(root: CID, error: ShoalError): void {
    const cid = root.toString();
    if (this.#told.get(cid) === error.message) return;
    this.#told.set(cid, error.message);
    this.log('error', error.message);
    this.emit('asset:error', { cid, code: error.code, message: error.message });
    if (error.code !== 'ERR_FILE_CHANGED' || this.active(root)?.stored.state === 'partial') return;
    this.discovery.unprovide(root);
    this.deactivate(root, error).catch((cause: unknown) =>
      this.log('warn', `${cid} could not be closed: ${String(cause)}`),
    );
  }

  /** What was wrong with an asset is over: it would be news again, and what was announced no more is again. */
  handleAssetReadable(root: CID): void {
    if (this.#told.delete(root.toString())) this.discovery.provide(root);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const closed = new ShoalError('ERR_CLOSED', 'the node was closed while this was going on', {
      fault: 'none',
    });
    this.#closing.abort(closed);
    this.#uploads.flush();
    await this.#keeper.stop();
    await this.shell.stop();
    await Promise.allSettled([...this.#active.values()].map((asset) => asset.close(closed)));
    this.#active.clear();
    await this.discovery.stop();
    await this.libp2p.stop();
    await Promise.allSettled(this.#queues.values());
    await this.store.close();
  }

  #signal(signal: AbortSignal | undefined): AbortSignal {
    this.closing.throwIfAborted();
    signal?.throwIfAborted();
    return signal ? AbortSignal.any([signal, this.closing]) : this.closing;
  }
}

function unknownAsset(root: CID): ShoalError {
  return new ShoalError(
    'ERR_UNKNOWN_ASSET',
    `the data folder knows no asset ${root.toString()}; "shoal ls" lists what it knows`,
  );
}
