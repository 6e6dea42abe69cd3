import type { CID } from 'multiformats/cid';
import type { LogLevel, ShareSource, ShoalEvents } from '../api.ts';
import type { ShoalError } from '../errors.ts';
import type { Store, StoredAsset } from '../store/store.ts';
import type { SwarmShell } from '../swarm/swarm-shell.ts';
import type { ActiveAsset } from './active-asset.ts';
import type { ContactBook } from './contact-book.ts';
import type { Discovery } from './discovery.ts';
import type { StoreSource } from './share-source.ts';
import type { ShoalLibp2p } from './shoal-libp2p.ts';

/** What a node needs of its platform besides a store and transports. */
export interface Platform {
  /** The absolute path of what the user named. */
  resolvePath(path: string): string;
  /** @throws ERR_SHARE_SOURCE */
  toStoreSource(source: ShareSource, name: string | undefined): StoreSource;
}

/** The parts of a running node, as its asset handles see them. */
export interface NodeContext {
  readonly platform: Platform;
  readonly store: Store;
  readonly shell: SwarmShell;
  readonly discovery: Discovery;
  /** Peers of earlier runs. */
  readonly book: ContactBook;
  readonly libp2p: ShoalLibp2p;
  readonly log: (level: LogLevel, message: string) => void;
  /** Aborts when the node closes, with the error that everything under way then ends in. */
  readonly closing: AbortSignal;
  /** The asset of this root while the node takes part in its swarm. */
  active(root: CID): ActiveAsset | undefined;
  /** Resolves when it takes part in its swarm. @throws the abort reason */
  whenActive(root: CID, signal: AbortSignal): Promise<ActiveAsset>;
  /** Takes part in an asset's swarm with what the store holds of it; replaces what was active before. */
  activate(root: CID, stored: StoredAsset): Promise<ActiveAsset>;
  /** Leaves an asset's swarm. @param why what those end with who wait for chunks of it */
  deactivate(root: CID, why?: ShoalError): Promise<void>;
  /** Runs one thing at a time for each root: saves of the same asset queue up here. */
  exclusive<T>(root: CID, signal: AbortSignal, task: () => Promise<T>): Promise<T>;
  readonly addresses: readonly string[];
  emit<K extends keyof ShoalEvents>(type: K, detail: ShoalEvents[K]['detail']): void;
}
