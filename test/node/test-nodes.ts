import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShoal, type Shoal, type ShoalOptions } from '../../src/index.ts';

/** Nodes on loopback with data folders of their own, all released together. */
export class TestNodes implements AsyncDisposable {
  readonly folder: string;
  readonly #nodes = new Set<Shoal>();
  #count = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async create(): Promise<TestNodes> {
    return new TestNodes(await mkdtemp(join(tmpdir(), 'shoal-test-')));
  }

  /** A path inside the test's own folder. */
  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Starts a node on loopback, mDNS off, in a new data folder unless one is named. */
  async start(options: ShoalOptions = {}): Promise<Shoal> {
    const node = await createShoal({
      dataDir: this.path(`data-${++this.#count}`),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      network: 'test',
      mdns: false,
      ...options,
    });
    this.#nodes.add(node);
    return node;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#nodes].map((node) => node.close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Bytes that are the same for the same seed and do not repeat (xorshift32). */
export function pseudoRandomBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed || 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

/** All bytes of a stream in one piece. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}
