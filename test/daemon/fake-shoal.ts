import {
  ShoalError,
  type Asset,
  type AssetInfo,
  type Saved,
  type SaveOptions,
  type Shared,
  type Shoal,
  type ShareSource,
  type ShoalEvents,
  type StreamOptions,
} from '../../src/index.ts';

/** What a test decides: the content that exists, and when a `save` gets on. */
export interface FakeContent {
  cid: string;
  name: string;
  bytes: Uint8Array;
}

const CHUNK = 4;

/** A node without network and disk, for what hands jobs over and shows them. Content is given in chunks of four bytes. */
export class FakeShoal implements Shoal {
  readonly id = '12D3KooWFake';
  readonly dataDir: string;
  readonly addresses = ['/ip4/127.0.0.1/tcp/1/p2p/12D3KooWFake'];
  readonly content = new Map<string, FakeContent>();
  /** What `list` tells of an asset, where that is not a complete file of its own. */
  readonly known = new Map<string, Pick<AssetInfo, 'state' | 'path'>>();
  readonly connected: string[] = [];
  readonly shared: { source: ShareSource; bytes: Uint8Array | undefined }[] = [];
  readonly removed: string[] = [];
  readonly aborted: unknown[] = [];
  /** Resolve to let a save or stream go on; asked before each chunk. */
  gate: (chunk: number) => Promise<void> = () => Promise.resolve();
  /** Resolve to let `open` find what it looks for. */
  openGate: () => Promise<void> = () => Promise.resolve();
  /** Resolve to let a peer answer. */
  connectGate: (address: string) => Promise<void> = () => Promise.resolve();
  readonly #events = new EventTarget();

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  add(cid: string, name: string, bytes: Uint8Array): void {
    this.content.set(cid, { cid, name, bytes });
  }

  async share(source: ShareSource): Promise<Shared> {
    let bytes: Uint8Array | undefined;
    if (source === '/x/missing') throw new ShoalError('ERR_NOT_FOUND', 'it is not there');
    if (typeof source !== 'string') bytes = await join(source as AsyncIterable<Uint8Array>);
    this.shared.push({ source, bytes });
    const path = typeof source === 'string' ? source : undefined;
    return { cid: 'bafyshared', link: 'shoal:bafyshared', name: undefined, bytes: bytes?.length ?? 0, path };
  }

  async open(cid: string): Promise<Asset> {
    await this.openGate();
    const content = this.content.get(cid);
    if (!content) throw new ShoalError('ERR_NO_PROVIDERS', 'nobody has it');
    return this.#asset(content);
  }

  async *list(): AsyncGenerator<AssetInfo> {
    for (const { cid, name, bytes } of this.content.values()) {
      yield {
        cid,
        name,
        type: 'file',
        bytes: bytes.length,
        bytesHere: bytes.length,
        state: 'complete',
        path: `/x/${name}`,
        ...this.known.get(cid),
      };
    }
  }

  seed(): Promise<{ assets: number }> {
    return Promise.resolve({ assets: this.content.size });
  }

  remove(cid: string): Promise<void> {
    this.removed.push(cid);
    return Promise.resolve();
  }

  async *verify(): AsyncGenerator<never> {}

  connect(address: string): Promise<void> {
    this.connected.push(address);
    return this.connectGate(address);
  }

  setLimits(): void {}

  setAssetLimits(): void {}

  addEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void {
    this.#events.addEventListener(type, listener as EventListener);
  }

  removeEventListener<K extends keyof ShoalEvents>(type: K, listener: (event: ShoalEvents[K]) => void): void {
    this.#events.removeEventListener(type, listener as EventListener);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #asset(content: FakeContent): Asset {
    const { cid, name, bytes } = content;
    const steps = (options: StreamOptions | SaveOptions, offset: number): AsyncGenerator<Uint8Array> =>
      this.#steps(bytes, options, offset);
    const sources = [{ peer: '12D3KooWOther', bytes: bytes.length }];
    return {
      cid,
      link: `shoal:${cid}`,
      name,
      type: 'file',
      size: bytes.length,
      async *entries() {},
      stream: (options = {}) => steps(options, options.offset ?? 0),
      async save(path: string, options: SaveOptions = {}): Promise<Saved> {
        for await (const _ of steps(options, 0));
        return { path, bytes: bytes.length, durationMs: 1, sources };
      },
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async *#steps(
    bytes: Uint8Array,
    options: StreamOptions | SaveOptions,
    offset: number,
  ): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < bytes.length; at += CHUNK) {
      const stopped = Promise.withResolvers<never>();
      stopped.promise.catch(() => undefined);
      const stop = (): void => {
        this.aborted.push(options.signal?.reason);
        stopped.reject(options.signal?.reason);
      };
      options.signal?.addEventListener('abort', stop);
      await Promise.race([this.gate(at / CHUNK), stopped.promise]);
      options.signal?.removeEventListener('abort', stop);
      const part = bytes.subarray(at, at + CHUNK);
      const sources = [{ peer: '12D3KooWOther', bytes: at + part.length }];
      options.onProgress?.({
        bytes: at + part.length,
        total: bytes.length,
        peers: 1,
        sources,
        bytesPerSec: 1,
        phase: 'fetching',
      });
      yield part;
    }
  }
}

async function join(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
