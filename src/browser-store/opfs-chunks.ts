import { Bitfield } from '../swarm/core/bitfield.ts';
import type { ChunkFile, ChunkLayout, ChunkSpace } from './chunk-space.ts';
import { blobOf } from './indexed-chunks.ts';
import { OpfsClient } from './opfs-client.ts';
import { BITMAP_FILE, DATA_FILE, OPFS_FOLDER } from './opfs-protocol.ts';

/**
 * Chunks in the origin's private file system: a folder an asset, with a file of its chunks behind one another and a bitmap,
 * written by a worker. A bit is set after its bytes; both are with the system by then, so that neither is lost when the
 * page dies, whatever it dies of.
 */
export class OpfsChunks implements ChunkSpace {
  readonly kind = 'opfs';
  readonly #client: OpfsClient;

  private constructor(client: OpfsClient) {
    this.#client = client;
  }

  /** @throws why this page cannot have such files */
  static async start(): Promise<OpfsChunks> {
    return new OpfsChunks(await OpfsClient.start());
  }

  async open(root: string, layout: ChunkLayout, isSealed: boolean): Promise<ChunkFile> {
    if (isSealed) {
      const file = await fileOf(root, DATA_FILE);
      if (file?.size === layout.total) return OpfsChunkFile.sealed(root, this.#client, layout, file);
    }
    return OpfsChunkFile.open(root, this.#client, layout);
  }

  async claimed(root: string, layout: { count: number }): Promise<number> {
    const file = await fileOf(root, BITMAP_FILE);
    return file ? bitsOf(layout.count, new Uint8Array(await file.arrayBuffer())).count : 0;
  }

  /** Opening finds out: it takes the room at once, and some browsers tell of less than they give. */
  async checkSpace(): Promise<void> {}

  async roots(): Promise<string[]> {
    const roots: string[] = [];
    const top = await navigator.storage.getDirectory();
    const folder = await top.getDirectoryHandle(OPFS_FOLDER, { create: true });
    for await (const name of folder.keys()) roots.push(name);
    return roots;
  }

  async remove(root: string): Promise<void> {
    await this.#client.ask({ op: 'remove', root });
  }

  async close(): Promise<void> {
    this.#client.close();
  }
}

/** While it is written the worker has the files; once it is sealed, the page reads them as it reads any `File`. */
class OpfsChunkFile implements ChunkFile {
  readonly #root: string;
  readonly #client: OpfsClient;
  readonly #layout: ChunkLayout;
  readonly #claims: Bitfield;
  #sealed: File | undefined;
  #sealing: Promise<void> | undefined;

  private constructor(root: string, client: OpfsClient, layout: ChunkLayout, claims: Bitfield) {
    this.#root = root;
    this.#client = client;
    this.#layout = layout;
    this.#claims = claims;
  }

  static async open(root: string, client: OpfsClient, layout: ChunkLayout): Promise<OpfsChunkFile> {
    const bitmapBytes = Math.ceil(layout.count / 8);
    const bytes = (await client.ask({ op: 'open', root, bytes: layout.total, bitmapBytes })) as Uint8Array;
    return new OpfsChunkFile(root, client, layout, bitsOf(layout.count, bytes));
  }

  static sealed(root: string, client: OpfsClient, layout: ChunkLayout, file: File): OpfsChunkFile {
    const chunks = new OpfsChunkFile(root, client, layout, Bitfield.full(layout.count));
    chunks.#sealed = file;
    return chunks;
  }

  claims(): Bitfield {
    return this.#claims.clone();
  }

  async read(chunk: number): Promise<Uint8Array> {
    await this.#sealing;
    const at = this.#layout.offset(chunk);
    const size = this.#layout.size(chunk);
    if (this.#sealed) return new Uint8Array(await this.#sealed.slice(at, at + size).arrayBuffer());
    return (await this.#client.ask({ op: 'read', root: this.#root, at, size })) as Uint8Array;
  }

  async write(chunk: number, bytes: Uint8Array): Promise<void> {
    const at = this.#layout.offset(chunk);
    await this.#client.write({ root: this.#root, chunk, at }, bytes);
    this.#claims.set(chunk);
  }

  async forget(chunk: number): Promise<void> {
    if (this.#sealed || !this.#claims.clear(chunk)) return;
    await this.#client.ask({ op: 'forget', root: this.#root, chunk });
  }

  async seal(): Promise<void> {
    this.#sealing ??= this.#seal();
    try {
      await this.#sealing;
    } catch (error) {
      this.#sealing = undefined;
      throw error;
    }
  }

  async blob(chunks: Iterable<number>, type: string): Promise<Blob> {
    const file = this.#sealed;
    if (!file) return blobOf(this, chunks, type);
    return new Blob(
      runsOf(chunks, this.#layout).map(([from, to]) => file.slice(from, to)),
      { type },
    );
  }

  async close(): Promise<void> {
    if (!this.#sealed) await this.#client.ask({ op: 'close', root: this.#root }).catch(() => {});
  }

  async #seal(): Promise<void> {
    await this.#client.ask({ op: 'flush', root: this.#root });
    await this.#client.ask({ op: 'close', root: this.#root });
    const file = await fileOf(this.#root, DATA_FILE);
    if (!file) throw new DOMException('it was deleted', 'NotFoundError');
    this.#sealed = file;
  }
}

async function fileOf(root: string, name: string): Promise<File | undefined> {
  try {
    let folder = await navigator.storage.getDirectory();
    for (const part of [OPFS_FOLDER, root]) folder = await folder.getDirectoryHandle(part);
    return await (await folder.getFileHandle(name)).getFile();
  } catch (error) {
    if ((error as Error).name === 'NotFoundError') return undefined;
    throw error;
  }
}

/** The bits that a file of whatever length stands for. */
function bitsOf(count: number, found: Uint8Array): Bitfield {
  const bytes = new Uint8Array(Math.ceil(count / 8));
  bytes.set(found.subarray(0, bytes.byteLength));
  const spare = bytes.byteLength * 8 - count;
  if (spare > 0) bytes[bytes.byteLength - 1] = (bytes.at(-1) as number) & (0xff << spare);
  return new Bitfield(count, bytes);
}

/** Chunks that lie behind one another as one part of the file, from byte to byte. */
function runsOf(chunks: Iterable<number>, layout: ChunkLayout): [number, number][] {
  const runs: [number, number][] = [];
  for (const chunk of chunks) {
    const from = layout.offset(chunk);
    const last = runs.at(-1);
    if (last?.[1] === from) last[1] += layout.size(chunk);
    else runs.push([from, from + layout.size(chunk)]);
  }
  return runs;
}
