import type { PeerId } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { AssetSession } from '../../src/swarm/asset-session.ts';
import type { ExchangeConfig } from '../../src/swarm/core/exchange-config.ts';
import type { RateLimits } from '../../src/swarm/core/rate-limits.ts';
import type { Rng } from '../../src/swarm/core/rng.ts';
import { SwarmShell } from '../../src/swarm/swarm-shell.ts';
import type { MemoryFile } from '../swarm/shell/memory-asset.ts';
import { ModelDisk, type DiskHost, type Sabotage } from './model-disk.ts';
import type { Endpoint, Network } from './network.ts';
import { Twin } from './twin.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a node needs to know of its world. */
export interface NodeHost {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly rng: Rng;
  /** What it takes at most to look something up in the store. */
  readonly storeMs: number;
  readonly exchangeConfig: ExchangeConfig;
  /** Of a peer id. */
  nameOf(peer: string): string;
  log(text: string): void;
  /** Something was not as it has to be. */
  fail(text: string): void;
}

/** From when a node comes up until it goes down. */
interface Life {
  readonly endpoint: Endpoint;
  readonly shell: SwarmShell;
  readonly sessions: Map<string, AssetSession>;
  readonly fetches: Map<string, AbortController>;
}

/** A node: what outlives a restart (who it is, what lies on its disks), and the shell that runs now. */
export class ModelNode implements DiskHost {
  readonly number: number;
  readonly peerId: PeerId;
  readonly address: Multiaddr;
  readonly bytesPerMs: number;
  readonly downBytesPerMs: number;
  /** By root. */
  readonly disks = new Map<string, ModelDisk>();
  sabotage: Sabotage | undefined;
  readonly #host: NodeHost;
  /** Interior nodes by root and CID. */
  readonly #nodes = new Map<string, Map<string, Uint8Array>>();
  #life: Life | undefined;

  constructor(number: number, peerId: PeerId, rates: { up: number; down: number }, host: NodeHost) {
    this.number = number;
    this.peerId = peerId;
    this.bytesPerMs = rates.up;
    this.downBytesPerMs = rates.down;
    this.address = multiaddr(`/ip4/10.0.0.${number + 1}/tcp/4000/p2p/${peerId.toString()}`);
    this.#host = host;
  }

  get time(): VirtualTime {
    return this.#host.time;
  }

  get endpoint(): Endpoint | undefined {
    return this.#life?.endpoint;
  }

  get messagesSent(): number {
    return this.#life?.endpoint.messagesSent ?? 0;
  }

  isLinkedTo(other: ModelNode): boolean {
    return this.#life?.shell.peers.includes(other.peerId.toString()) ?? false;
  }

  async start(): Promise<void> {
    if (this.#life) return;
    this.log('starts');
    const { peerId, address, bytesPerMs, downBytesPerMs } = this;
    const isBanned = (peer: string): boolean => shell.isBanned(peer);
    const endpoint: Endpoint = this.#host.network.add({
      peerId,
      address,
      bytesPerMs,
      downBytesPerMs,
      isBanned,
    });
    const shell = this.time.as(endpoint.actor, () => this.#makeShell(endpoint));
    this.#life = { endpoint, shell, sessions: new Map(), fetches: new Map() };
    await this.time.as(endpoint.actor, () => shell.start());
  }

  /** @param isGraceful says goodbye; else it is as after `kill -9` */
  async stop(isGraceful: boolean): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.log(isGraceful ? 'stops' : 'is killed');
    this.#life = undefined;
    if (isGraceful) {
      void this.#do(life, ({ shell }) => shell.stop().catch((error: unknown) => this.#fail('stop', error)));
      await this.time.settle();
    }
    life.endpoint.end();
  }

  /** The file is here, whole, and was published by this node. */
  publish(file: MemoryFile): void {
    this.#addDisk(file, true);
  }

  join(file: MemoryFile, wanted: 'all' | 'none'): void {
    const root = file.root.toString();
    this.#life?.fetches.get(root)?.abort();
    const disk = this.disks.get(root) ?? this.#addDisk(file, false);
    this.#alive(({ shell, sessions }) => {
      if (sessions.has(root)) return;
      const session = shell.join(disk.open(), {
        origin: disk.isOrigin,
        wanted,
        onComplete: () => this.log('has all it wants'),
        onError: ({ message }) => this.log(`cannot write: ${message}`),
        onUnread: (chunk, { message }) => this.log(`cannot read chunk ${chunk}: ${message}`),
      });
      sessions.set(root, session);
    });
  }

  leave(file: MemoryFile): void {
    const root = file.root.toString();
    this.#alive(({ sessions }) => {
      const session = sessions.get(root);
      sessions.delete(root);
      session?.leave();
    });
  }

  want(file: MemoryFile, wanted: 'all' | 'none', urgentChunk?: number, dueInMs = 0): void {
    const urgent = urgentChunk === undefined ? undefined : { chunks: [urgentChunk], dueInMs: [dueInMs] };
    this.#alive(({ sessions }) => sessions.get(file.root.toString())?.want(wanted, urgent));
  }

  /** Leaves it and deletes what is here of it. */
  remove(file: MemoryFile): void {
    const root = file.root.toString();
    this.leave(file);
    this.disks.delete(root);
    this.#nodes.delete(root);
    this.#alive(({ shell }) => {
      shell.forget(file.root).catch((error: unknown) => this.#fail('forget', error));
    });
  }

  addContact(other: ModelNode, file: MemoryFile): void {
    const contact = { peer: other.peerId.toString(), addresses: [other.address.toString()] };
    this.#alive(({ shell }) => shell.addContacts(file.root, [contact]));
  }

  /** Fetches the interior nodes of a file of which nothing is here, for a while or until it joins. */
  fetchNodes(file: MemoryFile, forMs: number): void {
    const root = file.root.toString();
    this.#alive(({ shell, fetches }) => {
      if (this.disks.has(root) || fetches.has(root)) return;
      const fetching = new AbortController();
      fetches.set(root, fetching);
      const walk = new DagWalk(file.root);
      const options = {
        onNode: (cid: { toString(): string }, bytes: Uint8Array) =>
          this.#storeNode(root, cid.toString(), bytes),
        signal: fetching.signal,
      };
      const fetched = shell.fetchNodes(file.root, walk, options).catch((error: unknown) => {
        if (!fetching.signal.aborted) this.#fail('fetchNodes', error);
      });
      void fetched.finally(() => fetches.delete(root));
      setTimeout(() => fetching.abort(new Error('enough')), forMs);
    });
  }

  setLimits(limits: RateLimits & { perPeer?: RateLimits }): void {
    this.#alive(({ shell }) => shell.setLimits(limits));
  }

  setAssetLimits(file: MemoryFile, limits: RateLimits): void {
    this.#alive(({ shell }) => shell.setAssetLimits(file.root, limits));
  }

  suspend(ms: number): void {
    if (this.#life) this.time.suspend(this.#life.endpoint.actor, ms);
  }

  resume(): void {
    if (this.#life) this.time.resume(this.#life.endpoint.actor);
  }

  onWrongWrite(chunk: number): void {
    this.#fail('write', `chunk ${chunk} was written that is not the content`);
  }

  log(text: string): void {
    this.#host.log(`node ${this.number} ${text}`);
  }

  #alive(act: (life: Life) => void): void {
    if (this.#life) this.#do(this.#life, act);
  }

  #do<T>(life: Life, act: (life: Life) => T): T {
    return this.time.as(life.endpoint.actor, () => act(life));
  }

  #fail(what: string, error: unknown): void {
    this.#host.fail(`node ${this.number}: ${what}: ${error instanceof Error ? error.stack : String(error)}`);
  }

  #addDisk(file: MemoryFile, isOrigin: boolean): ModelDisk {
    const root = file.root.toString();
    const disk = new ModelDisk(file, isOrigin, this);
    this.disks.set(root, disk);
    this.#nodes.set(root, new Map(file.nodes));
    return disk;
  }

  async #storeNode(root: string, cid: string, bytes: Uint8Array): Promise<void> {
    await this.#lookUp();
    const nodes = this.#nodes.get(root) ?? new Map<string, Uint8Array>();
    this.#nodes.set(root, nodes.set(cid, bytes));
  }

  #lookUp(): Promise<void> {
    return this.time.sleep(this.#host.rng() * this.#host.storeMs);
  }

  #makeShell(endpoint: Endpoint): SwarmShell {
    return new SwarmShell({
      libp2p: endpoint.libp2p.asLibp2p,
      network: 'model',
      exchangeConfig: this.#host.exchangeConfig,
      trace: new Twin(this.#host.seed * 31 + this.number, (text) => this.#fail('books', text)),
      log: (level, text) => {
        this.log(`${level}: ${text}`);
        if (level === 'error') this.#fail('logs an error', text);
      },
      resolveAsset: async (root) => {
        await this.#lookUp();
        const disk = this.disks.get(root.toString());
        return disk && disk.here.count > 0 ? disk.open() : undefined;
      },
      getNode: async (root, cid) => {
        await this.#lookUp();
        return this.#nodes.get(root.toString())?.get(cid.toString());
      },
      onMisbehaved: (peer, code, message) =>
        this.#fail('cuts off', `${this.#host.nameOf(peer)}: ${code} ${message}`),
      onAssetError: (_root, { message }) => this.log(`cannot read: ${message}`),
    });
  }
}
