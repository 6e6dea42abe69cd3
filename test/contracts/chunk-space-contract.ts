import { ChunkLayout, type ChunkSpace } from '../../src/browser-store/chunk-space.ts';
import type { Bitfield } from '../../src/swarm/core/bitfield.ts';

/**
 * What every place for a page's chunks does, by a sentence for each. It runs in Node and in pages, and so without mocha.
 *
 * Each is given what opens the space, on what it kept where it was open before.
 */
export const CHUNK_SPACE_CONTRACT: Record<string, (open: () => Promise<ChunkSpace>) => Promise<void>> = {
  'gives back what was written, and claims that alone': async (open) => {
    const space = await open();
    const file = await space.open(ROOT, LAYOUT, false);
    same(numbers(file.claims()), []);
    for (const n of [1, 3, 8]) await file.write(n, chunk(n));
    same(numbers(file.claims()), [1, 3, 8]);
    for (const n of [1, 3, 8]) same([...(await file.read(n))], [...chunk(n)]);
    file.claims().clear(1);
    same(numbers(file.claims()), [1, 3, 8]);
    await file.close();
  },

  'has the memory of what was written no more in use': async (open) => {
    const space = await open();
    const file = await space.open(ROOT, LAYOUT, false);
    const bytes = chunk(2);
    await file.write(2, bytes);
    bytes.fill(0);
    same([...(await file.read(2))], [...chunk(2)]);
    await file.close();
  },

  'takes many at once, and none stands for another': async (open) => {
    const space = await open();
    const file = await space.open(ROOT, LAYOUT, false);
    await Promise.all(ALL.map((n) => file.write(n, chunk(n))));
    for (const n of ALL) same([...(await file.read(n))], [...chunk(n)]);
    await file.close();
  },

  'goes on from what an earlier one wrote, though that was not closed': async (open) => {
    const first = await (await open()).open(ROOT, LAYOUT, false);
    for (const n of [0, 5, 8]) await first.write(n, chunk(n));
    await first.forget(5);
    const space = await open();
    same(await space.claimed(ROOT, LAYOUT), 2);
    same(await space.roots(), [ROOT]);
    const file = await space.open(ROOT, LAYOUT, false);
    same(numbers(file.claims()), [0, 8]);
    same([...(await file.read(8))], [...chunk(8)]);
    await file.write(5, chunk(5));
    same(numbers(file.claims()), [0, 5, 8]);
    await file.close();
  },

  'is sealed, read and put together to files, now and later': async (open) => {
    const first = await (await open()).open(ROOT, LAYOUT, false);
    for (const n of ALL) await first.write(n, chunk(n));
    same(await textOf(await first.blob([3, 4, 8], 'a/b')), textOfChunks([3, 4, 8]));
    await first.seal();
    await first.seal();
    same([...(await first.read(4))], [...chunk(4)]);
    const file = await (await open()).open(ROOT, LAYOUT, true);
    same(numbers(file.claims()), ALL);
    const blob = await file.blob([0, 1, 2, 8, 3, 3], 'a/b');
    same(blob.type, 'a/b');
    same(await textOf(blob), textOfChunks([0, 1, 2, 8, 3, 3]));
    same((await file.blob([], '')).size, 0);
    await file.close();
  },

  'claims nothing of what is not there, whatever it was': async (open) => {
    const file = await (await open()).open(ROOT, LAYOUT, true);
    same(numbers(file.claims()), []);
    await file.write(0, chunk(0));
    same(numbers(file.claims()), [0]);
    await file.close();
  },

  'forgets an asset that is removed, open or not, and no other': async (open) => {
    const space = await open();
    const [one, other] = [await space.open(ROOT, LAYOUT, false), await space.open(OTHER, LAYOUT, false)];
    await one.write(0, chunk(0));
    await other.write(1, chunk(1));
    await space.remove(ROOT);
    await space.remove(ROOT);
    same(await space.roots(), [OTHER]);
    same(await space.claimed(ROOT, LAYOUT), 0);
    const again = await space.open(ROOT, LAYOUT, false);
    same(numbers(again.claims()), []);
    same(numbers(other.claims()), [1]);
    await again.close();
    await other.close();
  },

  'holds an asset without a chunk': async (open) => {
    const empty = new ChunkLayout({ chunkCount: 0, chunkSize: () => 0 });
    const file = await (await open()).open(ROOT, empty, false);
    await file.seal();
    await file.close();
    const again = await (await open()).open(ROOT, empty, true);
    same(numbers(again.claims()), []);
    await again.close();
  },
};

const ROOT = 'bafyone';
const OTHER = 'bafyother';
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8];

/** Nine chunks, so that there are two bytes of bits; the last one is short. */
const LAYOUT = new ChunkLayout({ chunkCount: 9, chunkSize: (n) => (n === 8 ? 300 : 1000) });

function chunk(n: number): Uint8Array {
  return new Uint8Array(LAYOUT.size(n)).map((_, i) => (i * (n + 3)) % 251);
}

function numbers(bits: Bitfield): number[] {
  return ALL.filter((n) => bits.has(n));
}

async function textOf(blob: Blob): Promise<string> {
  return new Uint8Array(await blob.arrayBuffer()).join();
}

function textOfChunks(chunks: number[]): string {
  return chunks.map((n) => chunk(n).join()).join();
}

function same(actual: unknown, expected: unknown): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (found !== wanted) throw new Error(`expected ${wanted?.slice(0, 300)}, found ${found?.slice(0, 300)}`);
}
