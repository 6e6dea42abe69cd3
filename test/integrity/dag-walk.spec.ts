import assert from 'node:assert/strict';
import fc from 'fast-check';
import { importFile } from '../../src/chunking/import-file.ts';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { Manifest, ManifestEntry } from '../../src/integrity/manifest.ts';
import { parseCid } from '../../src/integrity/parse-cid.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { noise, pieces } from '../chunking/sources.ts';
import type { Tree } from '../chunking/sources.ts';
import { dagOf, walk } from './memory-dag.ts';

const KIB = 1024;

/** Everything about a manifest, for comparison. */
function facts(manifest: Manifest) {
  const chunks = Array.from({ length: manifest.chunkCount }, (_, n) => ({
    size: manifest.chunkSize(n),
    digest: Buffer.from(manifest.chunkDigest(n)).toString('hex'),
    places: manifest.places(n),
  }));
  const { type, size, entries, chunkBytes, maxChunkBytes } = manifest;
  return { type, size, entries, chunkBytes, maxChunkBytes, chunks, nodes: manifest.nodes.map(String) };
}

/** Files and links of a tree by path, depth first. */
function* flatten(
  content: Tree[string],
  path: string[] = [],
): Generator<[string, Uint8Array | string | undefined]> {
  const isDirectory = typeof content === 'object' && !(content instanceof Uint8Array);
  if (!isDirectory) yield [path.join('/'), content];
  else if (path.length > 0) yield [path.join('/'), undefined];
  if (isDirectory)
    for (const [name, child] of Object.entries(content)) yield* flatten(child, [...path, name]);
}

/** Rebuilds every file from a pool of chunks by digest, through `leaves`, `places` and `range` alike. */
function assertReproduces(manifest: Manifest, content: Tree[string]): void {
  const expected = new Map(flatten(content));
  assert.equal(manifest.entries.length, expected.size);
  const pool = new Map<string, Uint8Array>();
  for (const bytes of expected.values()) if (bytes instanceof Uint8Array) addLeaves(pool, bytes);
  const placed = new Map<number, Uint8Array>();
  for (let n = 0; n < manifest.chunkCount; n++) {
    const chunk = pool.get(Buffer.from(manifest.chunkDigest(n)).toString('hex')) as Uint8Array;
    assert.equal(chunk.byteLength, manifest.chunkSize(n));
    for (const { file, offset } of manifest.places(n)) {
      const { size } = manifest.entries[file] as ManifestEntry & { type: 'file' };
      if (!placed.has(file)) placed.set(file, new Uint8Array(size));
      placed.get(file)?.set(chunk, offset);
    }
  }
  for (const [i, entry] of manifest.entries.entries()) {
    const original = expected.get(entry.path.join('/'));
    if (entry.type === 'symlink') assert.equal(entry.target, original);
    else if (entry.type === 'directory') assert.equal(original, undefined);
    else assert.deepEqual(placed.get(i) ?? new Uint8Array(0), original);
  }
}

function addLeaves(pool: Map<string, Uint8Array>, bytes: Uint8Array): void {
  for (let pos = 0; pos < bytes.byteLength; pos += KIB) {
    const leaf = bytes.subarray(pos, pos + KIB);
    pool.set(Buffer.from(sha256(leaf)).toString('hex'), leaf);
  }
}

const name = fc.constantFrom('a', 'b', 'c', 'd.txt', 'é', '漢字', '.hidden', 'CON', 'with space', '😀');
const file = fc
  .tuple(fc.integer({ min: 0, max: 5 * KIB }), fc.integer({ min: 0, max: 3 }))
  .map(([size, seed]) => (seed === 0 ? new Uint8Array(size) : noise(size, `${seed}`)));
const { tree } = fc.letrec<{ tree: Tree; node: Tree[string] }>((tie) => ({
  tree: fc.dictionary(name, tie('node'), { maxKeys: 5, noNullPrototype: true }) as fc.Arbitrary<Tree>,
  node: fc.oneof(
    { maxDepth: 4 },
    { weight: 4, arbitrary: file },
    fc.constantFrom('x', '../y', '/etc/passwd'),
    tie('tree'),
  ),
}));

describe('DagWalk', () => {
  it('ends in a manifest that reproduces every path and byte of a tree', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(tree, file), async (content) => {
        const dag = await dagOf(content, KIB);
        const manifest = await walk(dag);
        assertReproduces(manifest, content);
        assert.equal(manifest.size, dag.imported.size);
        const wanted = [...dag.nodes.keys()].filter((cid) => parseCid(cid).code === 0x70);
        assert.deepEqual(manifest.nodes.map(String).toSorted(), wanted.toSorted());
        if (wanted.length > 0) assert.equal(manifest.nodes[0]?.toString(), dag.root.toString());
      }),
      { numRuns: 150 },
    );
  });

  it('gives the same manifest in whatever order nodes arrive', async () => {
    await fc.assert(
      fc.asyncProperty(
        tree,
        fc.integer({ min: 1, max: 40 }),
        fc.infiniteStream(fc.nat()),
        async (content, batch, random) => {
          const dag = await dagOf(content, KIB);
          const shuffle = <T>(items: T[]) =>
            items
              .map((item) => ({ item, key: random.next().value as number }))
              .sort((a, b) => a.key - b.key)
              .map(({ item }) => item);
          const shuffled = await walk(dag, { batch, pick: shuffle });
          assert.deepEqual(facts(shuffled), facts(await walk(dag, { batch: 1 })));
        },
      ),
      { numRuns: 80 },
    );
  });

  it('calls a node with any byte flipped a mismatch, and goes on with the right one', async () => {
    const { root, nodes } = await dagOf({ a: noise(9 * KIB), b: {}, c: 'link' }, KIB);
    const bytes = nodes.get(root.toString()) as Uint8Array;
    for (let i = 0; i < bytes.byteLength; i++) {
      const dagWalk = new DagWalk(root);
      const flipped = bytes.slice();
      flipped[i] = (flipped[i] as number) ^ (1 << (i % 8));
      assert.equal(await dagWalk.add(root, flipped), 'mismatch');
      assert.equal(dagWalk.rootInfo(), undefined);
      assert.equal(await dagWalk.add(root, bytes), 'ok');
    }
  });

  it('calls a node cut short, prolonged or of another place a mismatch', async () => {
    const { root, nodes } = await dagOf(noise(9 * KIB), KIB);
    const bytes = nodes.get(root.toString()) as Uint8Array;
    const dagWalk = new DagWalk(root);
    for (const wrong of [bytes.subarray(1), Buffer.concat([bytes, new Uint8Array(1)]), new Uint8Array(0)]) {
      assert.equal(await dagWalk.add(root, wrong), 'mismatch');
    }
    assert.deepEqual(dagWalk.needs(10).map(String), [root.toString()]);
  });

  it('wants no node that is not linked to, no node twice, and no leaf', async () => {
    const { root, nodes } = await dagOf({ a: noise(3 * KIB), b: noise(3 * KIB) }, KIB);
    const stranger = await dagOf({ other: noise(3 * KIB, 'other') }, KIB);
    const dagWalk = new DagWalk(root);
    assert.equal(
      await dagWalk.add(stranger.root, stranger.nodes.get(stranger.root.toString()) as Uint8Array),
      'unwanted',
    );
    assert.equal(await dagWalk.add(root, nodes.get(root.toString()) as Uint8Array), 'ok');
    assert.equal(await dagWalk.add(root, nodes.get(root.toString()) as Uint8Array), 'unwanted');
    const wanted = dagWalk.needs(10);
    assert.equal(wanted.length, 1, 'a and b are one node');
    assert.ok(wanted.every(({ code }) => code === 0x70));
  });

  it('asks for no more nodes at once than it may', async () => {
    const content = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`d${i}`, { f: noise(8, `${i}`) }]),
    );
    const { root, nodes } = await dagOf(content);
    const dagWalk = new DagWalk(root);
    await dagWalk.add(root, nodes.get(root.toString()) as Uint8Array);
    assert.equal(dagWalk.needs(7).length, 7);
    assert.equal(dagWalk.needs(1000).length, 50);
    assert.equal(dagWalk.done, false);
    assert.throws(() => dagWalk.manifest(), { code: 'ERR_INCOMPLETE' });
  });

  it('keeps nothing of the buffer a node came in', async () => {
    const content = { a: { f: noise(5, 'f') }, g: noise(6, 'g'), l: 'link' };
    const dag = await dagOf(content);
    const dagWalk = new DagWalk(dag.root);
    while (!dagWalk.done) {
      for (const cid of dagWalk.needs(1)) {
        const buffer = Buffer.from(dag.nodes.get(cid.toString()) as Uint8Array);
        assert.equal(await dagWalk.add(cid, buffer), 'ok');
        buffer.fill(0);
      }
    }
    assert.deepEqual(facts(dagWalk.manifest()), facts(await walk(dag)));
  });

  it('learns the size of a file of one leaf from the leaf itself', async () => {
    const dag = await dagOf(noise(777));
    const dagWalk = new DagWalk(dag.root);
    assert.deepEqual(dagWalk.needs(5).map(String), [dag.root.toString()]);
    assert.equal(await dagWalk.add(dag.root, noise(776)), 'mismatch');
    assert.equal(await dagWalk.add(dag.root, noise(777)), 'ok');
    assert.deepEqual(dagWalk.rootInfo(), { type: 'file', size: 777 });
    const manifest = dagWalk.manifest();
    assert.deepEqual(facts(manifest).entries, [
      { type: 'file', path: [], size: 777, leaves: Uint32Array.of(0) },
    ]);
    assert.deepEqual(manifest.nodes, []);
  });

  it('needs nothing at all for an empty file, which has no chunk', async () => {
    const { root } = await dagOf(new Uint8Array(0));
    const dagWalk = new DagWalk(root);
    assert.ok(dagWalk.done);
    assert.deepEqual(dagWalk.needs(5), []);
    assert.equal(dagWalk.manifest().chunkCount, 0);
    assert.deepEqual(dagWalk.manifest().entries, [
      { type: 'file', path: [], size: 0, leaves: new Uint32Array(0) },
    ]);
  });

  it('tells from the root alone the size of a file, the text of a link, and the names in a directory', async () => {
    const info = async (content: Tree[string]) => {
      const { root, nodes } = await dagOf(content, KIB);
      const dagWalk = new DagWalk(root);
      await dagWalk.add(root, nodes.get(root.toString()) as Uint8Array);
      return dagWalk.rootInfo();
    };
    assert.deepEqual(await info(noise(5 * KIB + 3)), { type: 'file', size: 5 * KIB + 3 });
    assert.deepEqual(await info('over/there'), { type: 'symlink', size: undefined, target: 'over/there' });
    assert.deepEqual(await info({ a: noise(7), d: {} }), {
      type: 'directory',
      size: undefined,
      children: [
        { name: 'a', type: 'file', tsize: 7 },
        { name: 'd', type: undefined, tsize: 4 },
      ],
      complete: true,
    });
  });

  it('walks a sharded directory of 100,000 small files', async () => {
    const content: Tree = {};
    for (let i = 0; i < 100_000; i++) content[`file-${i}`] = Uint8Array.of(i, i >> 8, i >> 16);
    const dag = await dagOf(content);
    const manifest = await walk(dag, { batch: 256 });
    assert.equal(manifest.entries.length, 100_000);
    assert.equal(manifest.chunkCount, 100_000);
    const dagWalk = new DagWalk(dag.root);
    await dagWalk.add(dag.root, dag.nodes.get(dag.root.toString()) as Uint8Array);
    const info = dagWalk.rootInfo();
    assert.ok(info?.type === 'directory' && !info.complete);
  });

  it('numbers the leaves of a file by first occurrence', async () => {
    const a = noise(KIB, 'a');
    const b = noise(KIB, 'b');
    const manifest = await walk(
      await dagOf({ one: Buffer.concat([a, b, a, a]), two: Buffer.concat([b, a, new Uint8Array(5)]) }, KIB),
    );
    const [one, two] = manifest.entries as [any, any];
    assert.deepEqual([...one.leaves], [0, 1, 0, 0]);
    assert.deepEqual([...two.leaves], [1, 0, 2]);
    assert.deepEqual(manifest.places(0), [
      { file: 0, offset: 0 },
      { file: 0, offset: 2048 },
      { file: 0, offset: 3072 },
      { file: 1, offset: 1024 },
    ]);
    assert.deepEqual(manifest.places(0, 2), manifest.places(0).slice(0, 2));
    assert.equal(manifest.chunkBytes, 2 * KIB + 5);
    assert.equal(manifest.size, 4 * KIB + 2 * KIB + 5);
    assert.equal(manifest.maxChunkBytes, KIB);
  });
});

describe('Manifest.range', () => {
  it('covers exactly the bytes asked for', async () => {
    const bytes = noise(20 * KIB + 100);
    const nodes = new Map<string, Uint8Array>();
    const { cid } = await importFile(pieces(bytes), {
      size: bytes.byteLength,
      chunkSize: KIB,
      linksPerNode: 4,
      onNode: (cid, block) => void nodes.set(cid.toString(), block),
    });
    const manifest = await walk({ root: cid, nodes });
    fc.assert(
      fc.property(fc.nat({ max: 22 * KIB }), fc.nat({ max: 22 * KIB }), (offset, length) => {
        const parts = [...manifest.range(0, offset, length)];
        const end = Math.min(offset + length, bytes.byteLength);
        if (offset >= end) return assert.deepEqual(parts, []);
        assert.ok(parts[0] && parts[0].start <= offset && offset < parts[0].start + parts[0].size);
        const last = parts.at(-1) as { start: number; size: number };
        assert.ok(last.start < end && end <= last.start + last.size);
        for (const [i, { chunk, start, size }] of parts.entries()) {
          assert.deepEqual(
            Buffer.from(manifest.chunkDigest(chunk)),
            Buffer.from(sha256(bytes.subarray(start, start + size))),
          );
          if (i > 0) assert.equal(start, (parts[i - 1] as any).start + (parts[i - 1] as any).size);
        }
      }),
    );
  });

  it('refuses an entry that is not a file, and chunks that are not there', async () => {
    const manifest = await walk(await dagOf({ d: {} }));
    assert.throws(() => [...manifest.range(0, 0, 1)], RangeError);
    assert.throws(() => [...manifest.range(9, 0, 1)], RangeError);
    assert.throws(() => manifest.chunkSize(0), RangeError);
    assert.throws(() => manifest.places(-1), RangeError);
  });
});
