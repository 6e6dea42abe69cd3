import type { AssetInfo, OpenOptions, RateLimits, ShoalEvents } from '../api.ts';
import type { PageAsset, PageShoal } from '../browser-api.ts';
import { parseLink } from '../node/link.ts';
import type { ShoalNode } from '../node/shoal-node.ts';
import type { MemoryStore } from './memory-store.ts';
import { PageAssetHandle } from './page-asset.ts';
import { canPageDial, noBrowserAddress, type PageReach } from './page-reach.ts';

/** The node behind `createShoal` in a page: see `PageShoal` in browser-api.ts. */
export class PageNode implements PageShoal {
  readonly #node: ShoalNode;
  readonly #store: MemoryStore;
  readonly #reach: PageReach;
  /** Nodes were named that are dialled again and again: whoever is asked for an asset may come yet. */
  readonly #hasNamed: boolean;

  constructor(node: ShoalNode, store: MemoryStore, reach: PageReach, hasNamed: boolean) {
    this.#node = node;
    this.#store = store;
    this.#reach = reach;
    this.#hasNamed = hasNamed;
  }

  get id(): string {
    return this.#node.id;
  }

  async open(cidOrLink: string, options?: OpenOptions): Promise<PageAsset> {
    const { cid, addresses } = parseLink(cidOrLink);
    const canReach =
      this.#hasNamed ||
      addresses.some((address) => canPageDial(address, this.#reach)) ||
      this.#node.libp2p.getConnections().length > 0;
    if (!canReach && !(await this.#store.get(cid)))
      throw noBrowserAddress(cid.toString(), addresses, this.#reach);
    return new PageAssetHandle(await this.#node.open(cidOrLink, options), this.#store);
  }

  list(): AsyncGenerator<AssetInfo> {
    return this.#node.list();
  }

  remove(cid: string): Promise<void> {
    return this.#node.remove(cid);
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
