import type { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { StoredAsset } from '../store/store.ts';
import type { AssetSession } from './asset-session.ts';
import type { Bitfield } from './core/bitfield.ts';
import type { Event } from './core/events.ts';
import { keepNewest } from './core/keep-newest.ts';
import type { AssetKey, PeerKey } from './core/messages.ts';
import type { Log } from './log.ts';

/** Store lookups at a time for roots that peers name; and so many of those that are slow, for which the others do not wait. */
const MAX_PARALLEL_LOOKUPS = 4;

/** Roots of one peer that wait for a lookup, as many as a link keeps; more are passed over for now. */
const MAX_QUEUED_LOOKUPS = 4096;

/** Assets kept open only because peers named them. Each costs its manifest in memory. */
const MAX_IDLE_ASSETS = 256;

/** Those in use may be more, up to this factor: one download is not cut short for another's sake. */
const BUSY_FACTOR = 4;

/** An asset that was opened, or of which a peer got something, so lately is in use; and one that a connected peer lacks. */
const IN_USE_MS = 60_000;

/** An asset that takes part in the exchange. */
export interface ActiveAsset {
  readonly key: AssetKey;
  readonly root: CID;
  /** `root` in base32. */
  readonly text: string;
  readonly stored: StoredAsset;
  /** Shared with the core, which changes it. */
  readonly have: Bitfield;
  /** Undefined where it is active only because a peer named it; `stored` is the table's to close then. */
  readonly session: AssetSession | undefined;
  /** When it became active. */
  readonly addedAtMs: number;
  /** When a peer last got something of it. */
  usedAtMs: number;
}

/**
 * A root that the store could not open, or does not have, is not looked for again so soon, twice as long each time, however
 * often it is named: opening may mean hashing. What this node itself joins is active at once all the same.
 */
const RETRY_LOOKUP_MS = 1000;
const LONGEST_RETRY_MS = 60_000;

/** Failed lookups remembered; beyond that the oldest is looked up again when it is named. */
const MAX_FAILED_LOOKUPS = 4096;

/**
 * Roots that are looked up again unasked while a peer names them, which it does once: so many are kept in mind, and so many
 * looked at each time. What the store does not have is not among them: strangers may name any number of such roots.
 */
const MAX_RETRIES = 4096;
const RETRIES_AT_ONCE = 32;

/** What an {@link AssetTable} works with. */
export interface AssetTableHost {
  nowMs(): number;
  handle(event: Event): void;
  /**
   * Looks a root up in the store.
   *
   * @param isSlowTurn to be asked before what may take hours, as an unfinished download is hashed when it is opened. Resolves
   * when it is this one's turn among such; false: it is not to be opened any more
   */
  resolve(root: CID, isSlowTurn: () => Promise<boolean>): Promise<StoredAsset | undefined>;
  onActive(asset: ActiveAsset): void;
  /** Whether a connected peer names the root. */
  isNamed(root: CID): boolean;
  /** Whether a connected peer lacks something of it. */
  isLacked(key: AssetKey): boolean;
  log: Log;
}

/** The assets this node takes part in, by root and by the number the core and the wire know them by. */
export class AssetTable {
  readonly #host: AssetTableHost;
  readonly #byText = new Map<string, ActiveAsset>();
  readonly #byKey = new Map<AssetKey, ActiveAsset>();
  /** A root keeps its number while the node runs: late data and slots stay valid. */
  readonly #keys = new Map<string, AssetKey>();
  /** Roots that wait for a lookup, and who named them first. */
  readonly #waiting = new Map<string, { root: CID; peer: PeerKey | undefined }>();
  /** The same, by peer: they take turns, so that who names thousands keeps nobody else waiting. */
  readonly #lines = new Map<PeerKey | undefined, Set<string>>();
  readonly #lookups = new Map<string, Promise<void>>();
  /** Those of them that are slow: at work, or waiting for their turn. */
  readonly #slow = new Map<string, 'at-work' | ((isTurn: boolean) => void)>();
  /** Roots whose lookup came to nothing, oldest first. */
  readonly #failed = new Map<string, { untilMs: number; waitMs: number }>();
  /** Roots that could not be opened, or were passed over; those that were looked at longest ago first. */
  readonly #retries = new Map<string, CID>();
  #isStopped = false;

  constructor(host: AssetTableHost) {
    this.#host = host;
  }

  get(text: string): ActiveAsset | undefined {
    return this.#byText.get(text);
  }

  byKey(key: AssetKey): ActiveAsset | undefined {
    return this.#byKey.get(key);
  }

  /** All that are active. */
  values(): IterableIterator<ActiveAsset> {
    return this.#byKey.values();
  }

  /** This node's number, and slot, for a root. */
  keyOf(text: string): AssetKey {
    let key = this.#keys.get(text);
    if (key === undefined) this.#keys.set(text, (key = this.#keys.size + 1));
    return key;
  }

  /** The number of a root that was active at some time. */
  knownKey(text: string): AssetKey | undefined {
    return this.#keys.get(text);
  }

  /** Makes an asset active; what was active of the same root, and had no session, is released. */
  add(
    stored: StoredAsset,
    options: { origin: boolean; wanted: 'all' | 'none'; session: AssetSession | undefined },
  ): ActiveAsset {
    const { root } = stored.manifest;
    const text = root.toString();
    const before = this.#byText.get(text);
    if (before?.session) {
      throw new ShoalError(
        'ERR_ALREADY_JOINED',
        `${text} is being exchanged already; leave it before joining it again`,
      );
    }
    if (before) void this.#release(before);
    const key = this.keyOf(text);
    this.#failed.delete(text);
    this.#retries.delete(text);
    const have = stored.have();
    const addedAtMs = this.#host.nowMs();
    const { session } = options;
    const asset = { key, root, text, stored, have, session, addedAtMs, usedAtMs: addedAtMs };
    this.#byText.set(text, asset);
    this.#byKey.set(key, asset);
    const { origin, wanted } = options;
    this.#host.handle({ type: 'asset-added', asset: key, sizes: sizesOf(stored), have, origin, wanted });
    this.#host.onActive(asset);
    return asset;
  }

  /** Ends the part in an asset. */
  remove(asset: ActiveAsset): void {
    if (this.#byKey.get(asset.key) !== asset) return;
    this.#byKey.delete(asset.key);
    this.#byText.delete(asset.text);
    this.#host.handle({ type: 'asset-removed', asset: asset.key });
  }

  /** Gives up what was opened for peers, or is about to be, without a session: the root is removed from the store. */
  async forget(text: string): Promise<void> {
    this.#takeOut(text);
    this.#retries.delete(text);
    this.#dropSlow(text);
    await this.#lookups.get(text);
    const asset = this.#byText.get(text);
    if (asset && !asset.session) await this.#release(asset);
  }

  /** A peer named a root that is not active: makes it so where the store has it. @param peer undefined: it is tried again */
  lookUp(root: CID, text: string, peer: PeerKey | undefined): void {
    if (this.#host.nowMs() < (this.#failed.get(text)?.untilMs ?? -Infinity)) return;
    if (this.#isStopped || this.isLookingUp(text)) return;
    const line = this.#lines.get(peer) ?? new Set();
    if (line.size >= MAX_QUEUED_LOOKUPS) {
      if (this.#retries.size < MAX_RETRIES) this.#retries.set(text, root);
      return;
    }
    this.#retries.delete(text);
    this.#waiting.set(text, { root, peer });
    this.#lines.set(peer, line.add(text));
    this.#nextLookup();
  }

  /** Looks up again what could not be opened, or was passed over, and is named still, some in turn. Call it now and then. */
  retry(): void {
    for (const [text, root] of [...this.#retries].slice(0, RETRIES_AT_ONCE)) {
      this.#retries.delete(text);
      if (this.#byText.has(text) || !this.#host.isNamed(root)) continue;
      this.#retries.set(text, root);
      this.lookUp(root, text, undefined);
    }
  }

  /** Whether the store is, or is about to be, searched for a root. */
  isLookingUp(text: string): boolean {
    return this.#lookups.has(text) || this.#waiting.has(text);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#waiting.clear();
    this.#lines.clear();
    for (const text of this.#slow.keys()) this.#dropSlow(text);
    for (const asset of [...this.#byKey.values()]) {
      if (asset.session) this.remove(asset);
      else void this.#release(asset);
    }
    await Promise.allSettled(this.#lookups.values());
  }

  #nextLookup(): void {
    while (this.#lookups.size - this.#slow.size < MAX_PARALLEL_LOOKUPS) {
      const [line] = this.#lines.values();
      const text = line?.values().next().value;
      const root = text === undefined ? undefined : this.#takeOut(text);
      if (text === undefined || !root) return;
      const lookup = this.#resolve(root, text).finally(() => {
        this.#lookups.delete(text);
        this.#slow.delete(text);
        this.#nextSlow();
        this.#nextLookup();
      });
      this.#lookups.set(text, lookup);
    }
  }

  /** A root waits no more. Whoever named it is behind the others now. */
  #takeOut(text: string): CID | undefined {
    const waiting = this.#waiting.get(text);
    if (!waiting) return undefined;
    const { root, peer } = waiting;
    this.#waiting.delete(text);
    const line = this.#lines.get(peer);
    this.#lines.delete(peer);
    line?.delete(text);
    if (line && line.size > 0) this.#lines.set(peer, line);
    return root;
  }

  #slowTurn(text: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    if (this.#isStopped) resolve(false);
    this.#slow.set(text, resolve);
    this.#nextSlow();
    this.#nextLookup();
    return promise;
  }

  #nextSlow(): void {
    let atWork = [...this.#slow.values()].filter((state) => state === 'at-work').length;
    for (const [text, state] of this.#slow) {
      if (atWork >= MAX_PARALLEL_LOOKUPS) return;
      if (state === 'at-work') continue;
      this.#slow.set(text, 'at-work');
      state(true);
      atWork++;
    }
  }

  /** A slow lookup that waits for its turn is given up. */
  #dropSlow(text: string): void {
    const state = this.#slow.get(text);
    if (typeof state === 'function') state(false);
  }

  async #resolve(root: CID, text: string): Promise<void> {
    try {
      const stored = await this.#host.resolve(root, () => this.#slowTurn(text));
      if (!stored) return this.#noteFailed(text);
      if (this.#isStopped || this.#byText.has(text)) return await stored.close();
      this.add(stored, { origin: stored.state === 'shared', wanted: 'none', session: undefined });
      this.#evictIdle();
    } catch (error) {
      const level = this.#failed.has(text) ? 'debug' : 'warn';
      this.#noteFailed(text);
      this.#retries.set(text, root);
      if (this.#retries.size > MAX_RETRIES) this.#retries.delete(this.#retries.keys().next().value as string);
      this.#host.log(level, `${text} was asked for and could not be opened: ${String(error)}`);
    }
  }

  #noteFailed(text: string): void {
    const waitMs = Math.min((this.#failed.get(text)?.waitMs ?? RETRY_LOOKUP_MS / 2) * 2, LONGEST_RETRY_MS);
    keepNewest(this.#failed, text, { untilMs: this.#host.nowMs() + waitMs, waitMs }, MAX_FAILED_LOOKUPS);
  }

  #evictIdle(): void {
    const idle = [...this.#byKey.values()].filter((asset) => !asset.session);
    let surplus = idle.length - MAX_IDLE_ASSETS;
    if (surplus <= 0) return;
    const unusedSince = this.#host.nowMs() - IN_USE_MS;
    for (const asset of idle) if (this.#host.isLacked(asset.key)) asset.usedAtMs = this.#host.nowMs();
    for (const asset of idle.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      const isFull = surplus > MAX_IDLE_ASSETS * (BUSY_FACTOR - 1);
      if (surplus <= 0 || (asset.usedAtMs > unusedSince && !isFull)) return;
      void this.#release(asset);
      surplus--;
    }
  }

  /** Removes an asset that the table opened itself, and closes it. */
  async #release(asset: ActiveAsset): Promise<void> {
    this.remove(asset);
    try {
      await asset.stored.close();
    } catch (error) {
      this.#host.log('warn', `${asset.text} could not be closed: ${String(error)}`);
    }
  }
}

function sizesOf({ manifest }: StoredAsset): Uint32Array {
  const sizes = new Uint32Array(manifest.chunkCount);
  for (let chunk = 0; chunk < sizes.length; chunk++) sizes[chunk] = manifest.chunkSize(chunk);
  return sizes;
}
