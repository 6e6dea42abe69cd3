import type {
  AssetInfo,
  OpenOptions,
  RateLimits,
  ShareOptions,
  ShoalEvents,
  VerifyOptions,
  VerifyReport,
} from '../api.ts';
import type {
  PageAsset,
  PageShareSource,
  PageShoal,
  PageStorage,
  ShareAgainOptions,
  SharedAgain,
} from '../browser-api.ts';
import type { OpenedPageStore } from '../browser-store/open-page-store.ts';
import { estimateSpace } from '../browser-store/storage-error.ts';
import { parseLink } from '../node/link.ts';
import { optionsOf } from '../node/options-of.ts';
import type { ShoalNode } from '../node/shoal-node.ts';
import { notLoaded } from '../not-loaded.ts';
import { PageAssetHandle } from './page-asset.ts';
import { canPageDial, noBrowserAddress, type PageReach } from './page-reach.ts';

/** The node behind `createShoal` in a page: see `PageShoal` in browser-api.ts. */
export class PageNode implements PageShoal {
  readonly #node: ShoalNode;
  readonly #opened: OpenedPageStore;
  readonly #reach: PageReach;
  /** Nodes were named that are dialled again and again: whoever is asked for an asset may come yet. */
  readonly #hasNamed: boolean;

  constructor(node: ShoalNode, opened: OpenedPageStore, reach: PageReach, hasNamed: boolean) {
    this.#node = node;
    this.#opened = opened;
    this.#reach = reach;
    this.#hasNamed = hasNamed;
  }

  get id(): string {
    return this.#node.id;
  }

  get addresses(): string[] {
    return this.#node.addresses;
  }

  async open(cidOrLink: string, options?: OpenOptions): Promise<PageAsset> {
    const { cid, addresses } = parseLink(cidOrLink);
    const canReach =
      this.#hasNamed ||
      addresses.some((address) => canPageDial(address, this.#reach)) ||
      this.#node.libp2p.getConnections().length > 0;
    if (!canReach && !(await this.#opened.store.get(cid)))
      throw noBrowserAddress(cid.toString(), addresses, this.#reach);
    return new PageAssetHandle(await this.#node.open(cidOrLink, options), this.#opened.store);
  }

  async share(source: PageShareSource, given?: ShareOptions): Promise<PageAsset> {
    const options = optionsOf(given);
    const { store } = this.#opened;
    const { shareFiles } = await import('./further-files.ts').catch(notLoaded);
    const { closing } = this.#node;
    const signal = options.signal ? AbortSignal.any([options.signal, closing]) : closing;
    const record = await shareFiles(store, source, { ...options, signal });
    const { link } = await this.#node.publish(record, signal);
    return new PageAssetHandle(await this.#node.open(link), store);
  }

  async shareAgain(options?: ShareAgainOptions): Promise<SharedAgain[]> {
    const { shareAgain } = await import('./further-files.ts').catch(notLoaded);
    return shareAgain(this.#node, this.#opened.store, options);
  }

  list(): AsyncGenerator<AssetInfo> {
    return this.#node.list();
  }

  remove(cid: string, options?: { signal?: AbortSignal }): Promise<void> {
    return this.#node.remove(cid, options);
  }

  seed(options?: { signal?: AbortSignal }): Promise<{ assets: number }> {
    return this.#node.seed(options);
  }

  verify(cid?: string, options?: VerifyOptions): AsyncGenerator<VerifyReport> {
    return this.#node.verify(cid, options);
  }

  async storage(): Promise<PageStorage> {
    const { kind, why, wasEvicted } = this.#opened;
    const space = await estimateSpace();
    const isPersistent = await Promise.resolve(navigator.storage?.persisted?.()).catch(() => false);
    return {
      kind,
      why,
      usedBytes: space?.usedBytes,
      quotaBytes: space?.quotaBytes,
      wasEvicted,
      isPersistent: kind !== 'memory' && (isPersistent ?? false),
    };
  }

  connect(address: string, options?: { signal?: AbortSignal }): Promise<void> {
    return this.#node.connect(address, options);
  }

  setLimits(limits: RateLimits & { perPeer?: RateLimits }): void {
    this.#node.setLimits(limits);
  }

  addEventListener<K extends keyof ShoalEvents>(
    type: K,
    listener: (event: ShoalEvents[K]) => void,
    options?: { once?: boolean; signal?: AbortSignal },
  ): void {
    this.#node.addEventListener(type, listener, options);
  }

  removeEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void {
    this.#node.removeEventListener(type, listener);
  }

  close(): Promise<void> {
    return this.#node.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
