import assert from 'node:assert/strict';
import { importTree } from '../../src/chunking/import-tree.ts';
import type { SourceEntry } from '../../src/chunking/import-tree.ts';
import { reference } from './reference-importer.ts';
import { noise, sourceOf } from './sources.ts';
import type { Tree } from './sources.ts';

const KIB = 1024;

async function importMemory(content: Tree[string] | SourceEntry, chunkSize?: number) {
  const nodes = new Map<string, Uint8Array>();
  const source =
    typeof content === 'object' && 'type' in content ? (content as SourceEntry) : sourceOf(content as Tree);
  const imported = await importTree(source, {
    chunkSize,
    onNode: (cid, bytes) => void nodes.set(cid.toString(), bytes),
  });
  return { ...imported, cid: imported.cid.toString(), nodes };
}

async function assertLikeReference(tree: Tree, chunkSize: number): Promise<void> {
  const imported = await importMemory(tree, chunkSize);
  const expected = await reference(tree, { chunkSize });
  assert.equal(imported.cid, expected.cid);
  assert.equal(imported.tsize, expected.size);
  for (const cid of imported.nodes.keys())
    assert.ok(expected.nodes.has(cid), `${cid} is not in the reference`);
}

function manyFiles(count: number, prefix = 'file'): Tree {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${prefix}-${i}.txt`, noise(i % 3, `${i}`)]),
  );
}

describe('importTree', () => {
  it('makes the nodes of ipfs-unixfs-importer for nested directories, empty ones, links and large files', async () => {
    await assertLikeReference(
      {
        'b.bin': noise(200 * KIB),
        'a.txt': noise(5),
        nothing: new Uint8Array(0),
        empty: {},
        link: '../elsewhere/b.bin',
        deep: { deeper: { deepest: { 'x.bin': noise(70 * KIB, 'x'), empty: {} } }, again: noise(200 * KIB) },
      },
      4 * KIB,
    );
  });

  it('sorts names by their UTF-8 bytes, not by their UTF-16 units', async () => {
    const tree: Tree = {};
    for (const name of ['z', 'Z', 'é', 'e\u0301', '\uff5e', '😀', '漢字', ' space', 'a', 'aa', '-', 'a.b'])
      tree[name] = noise(3, name);
    await assertLikeReference(tree, 64 * KIB);
  });

  it('makes the shards of ipfs-unixfs-importer for a directory of 12,000 files', async () => {
    await assertLikeReference(manyFiles(12_000), 64 * KIB);
  });

  it('makes the same shards inside a directory and with unicode names', async () => {
    await assertLikeReference(
      { few: manyFiles(3), many: { ...manyFiles(6_000, 'ファイル'), sub: {} } },
      64 * KIB,
    );
  });

  it('gives the same CID in whatever order a directory is read', async () => {
    const tree = manyFiles(6_000);
    const reversed = Object.fromEntries(Object.entries(tree).reverse());
    assert.equal((await importMemory(reversed)).cid, (await importMemory(tree)).cid);
  });

  it('shards a directory of many directories by the size of its node', async () => {
    const tree = Object.fromEntries(
      Array.from({ length: 6_000 }, (_, i) => [`directory-${i}`, { f: noise(1) }]),
    );
    const { nodes } = await importMemory(tree);
    assert.ok(Math.max(...[...nodes.values()].map(({ byteLength }) => byteLength)) < 256 * KIB);
    assert.ok(nodes.size > 200);
  });

  it('chooses the chunk size for each file by its size', async () => {
    const large: SourceEntry = {
      type: 'file',
      name: 'large',
      size: 64 * KIB * KIB + 1,
      async *open() {
        for (let i = 0; i < 64; i++) yield new Uint8Array(KIB * KIB);
        yield new Uint8Array(1);
      },
    };
    const small = sourceOf(noise(100 * KIB), 'small');
    const { leaves, size, files, chunkSize } = await importMemory({
      type: 'directory',
      name: '',
      async *children() {
        yield large;
        yield small;
      },
    });
    assert.deepEqual(
      { leaves, size, files, chunkSize },
      { leaves: 513 + 2, size: large.size + 100 * KIB, files: 2, chunkSize: undefined },
    );
  });

  it('gives a file and a link as roots the CID of the file and the link', async () => {
    const bytes = noise(300 * KIB);
    assert.equal((await importMemory(bytes)).cid, (await reference(bytes, { chunkSize: 64 * KIB })).cid);
    const link = await importMemory('over/there');
    assert.equal(link.type, 'symlink');
    const directory = await reference({ link: 'over/there' }, { chunkSize: 64 * KIB });
    assert.ok(directory.nodes.has(link.cid));
  });

  for (const name of ['', '.', '..', 'a/b', 'a\\b', 'nul\0', 'line\nbreak', 'x'.repeat(256), '\ud800']) {
    it(`refuses the name ${JSON.stringify(name.slice(0, 20))}`, async () => {
      await assert.rejects(importMemory({ [name]: noise(1) }), { code: 'ERR_UNSAFE_NAME' });
    });
  }

  it('refuses a name that is there twice', async () => {
    const twice: SourceEntry = {
      type: 'directory',
      name: '',
      async *children() {
        yield sourceOf(noise(1), 'same');
        yield sourceOf(noise(2), 'same');
      },
    };
    await assert.rejects(importMemory(twice), { code: 'ERR_DUPLICATE_NAME' });
  });

  it('refuses what is nested too deep to be fetched again', async () => {
    let tree: Tree = {};
    for (let i = 0; i < 200; i++) tree = { d: tree };
    await assert.rejects(importMemory(tree), { code: 'ERR_TOO_DEEP' });
  });

  it('stops between files with the reason it is aborted with', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const tree = sourceOf(manyFiles(10));
    const run = importTree(tree, {
      onNode: () => {},
      onBytes: () => controller.abort(reason),
      signal: controller.signal,
    });
    await assert.rejects(run, (error) => error === reason);
  });
});
