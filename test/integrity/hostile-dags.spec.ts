import assert from 'node:assert/strict';
import { encode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { WalkLimits } from '../../src/integrity/limits.ts';
import { DAG_PB_CODE, RAW_CODE, cidOf } from '../../src/integrity/parse-cid.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { noise } from '../chunking/sources.ts';
import { walk } from './memory-dag.ts';

interface Linked {
  cid: CID;
  /** The link's name, `Tsize` and, in a file, block size. */
  name?: string;
  tsize?: number;
  size?: number;
}

/** Makes nodes that no honest importer makes. */
class Forge {
  readonly nodes = new Map<string, Uint8Array>();

  node(data: Uint8Array | undefined, links: readonly Linked[] = []): CID {
    const pbLinks = links.map(({ cid, name = '', tsize }) => ({
      Hash: cid,
      Name: name,
      ...(tsize === undefined ? {} : { Tsize: tsize }),
    }));
    return this.block(encode({ ...(data ? { Data: data } : {}), Links: pbLinks }));
  }

  block(bytes: Uint8Array): CID {
    const cid = cidOf(DAG_PB_CODE, sha256(bytes));
    this.nodes.set(cid.toString(), bytes);
    return cid;
  }

  file(links: readonly Linked[]): CID {
    return this.node(
      new UnixFS({ type: 'file', blockSizes: links.map(({ size = 0 }) => BigInt(size)) }).marshal(),
      links,
    );
  }

  directory(links: readonly Linked[]): CID {
    return this.node(new UnixFS({ type: 'directory' }).marshal(), links);
  }

  shard(links: readonly Linked[], { fanout = 256n, hashType = 0x22n } = {}): CID {
    return this.node(
      new UnixFS({ type: 'hamt-sharded-directory', fanout, hashType, data: Uint8Array.of(1) }).marshal(),
      links,
    );
  }
}

/** A length-delimited field. */
function field(number: number, ...bytes: Uint8Array[]): Uint8Array {
  const content = Buffer.concat(bytes);
  assert.ok(content.byteLength < 128);
  return Buffer.concat([Uint8Array.of(number * 8 + 2, content.byteLength), content]);
}

const leaf = cidOf(RAW_CODE, sha256(noise(10)));
const other = cidOf(RAW_CODE, sha256(noise(10, 'other')));

function assertRefused(
  title: string,
  code: string,
  make: (forge: Forge) => CID,
  limits?: Partial<WalkLimits>,
): void {
  it(title, async () => {
    const forge = new Forge();
    const root = make(forge);
    await assert.rejects(walk({ root, nodes: forge.nodes }, { limits }), {
      name: 'ShoalError',
      code,
      fault: 'none',
    });
  });
}

describe('A DAG whose hashes are right but whose structure is not', () => {
  const invalid = 'ERR_ASSET_INVALID';
  const size = 10;

  assertRefused('is refused when a file announces another size than its parts have', invalid, (forge) =>
    forge.node(Uint8Array.of(0x08, 2, 0x18, 11, 0x20, 10), [{ cid: leaf, tsize: 10 }]),
  );
  assertRefused('is refused when a part of a file is larger than its parent says', invalid, (forge) =>
    forge.file([{ cid: forge.file([{ cid: leaf, size }]), size: 11 }]),
  );
  assertRefused('is refused when a leaf has one size in the link and another in the node', invalid, (forge) =>
    forge.file([{ cid: leaf, size, tsize: 11 }]),
  );
  assertRefused('is refused when one leaf is announced with two sizes', invalid, (forge) =>
    forge.directory([
      { cid: leaf, name: 'a', tsize: 10 },
      { cid: leaf, name: 'b', tsize: 11 },
    ]),
  );
  assertRefused('is refused when a leaf is announced as empty that is not', invalid, (forge) =>
    forge.directory([{ cid: leaf, name: 'a', tsize: 0 }]),
  );
  assertRefused('is refused when a part of a file is empty', invalid, (forge) =>
    forge.file([{ cid: leaf, size: 0 }]),
  );
  assertRefused('is refused when a file has fewer block sizes than links', invalid, (forge) =>
    forge.node(new UnixFS({ type: 'file', blockSizes: [10n] }).marshal(), [{ cid: leaf }, { cid: other }]),
  );
  assertRefused('is refused when sizes add up beyond 2^53', invalid, (forge) => {
    const inner = forge.file([{ cid: leaf, size }]);
    return forge.file(Array.from({ length: 3 }, () => ({ cid: inner, size: 2 ** 52 })));
  });
  assertRefused('is refused when a file contains a directory', invalid, (forge) =>
    forge.file([{ cid: forge.directory([]), size }]),
  );
  assertRefused('is refused when a part of a file has a name', invalid, (forge) =>
    forge.file([{ cid: leaf, size, name: 'x' }]),
  );
  assertRefused('is refused when its UnixFS type does not exist', invalid, (forge) =>
    forge.node(Uint8Array.of(0x08, 9)),
  );
  assertRefused('is refused when its UnixFS type is missing', invalid, (forge) =>
    forge.node(Uint8Array.of(0x18, 9)),
  );
  assertRefused('is refused when a node has no UnixFS data', invalid, (forge) =>
    forge.node(undefined, [{ cid: leaf }]),
  );
  assertRefused('is refused when a node is no protobuf', invalid, (forge) => forge.block(noise(100)));
  assertRefused('is refused when a node is empty', invalid, (forge) => forge.block(new Uint8Array(0)));
  assertRefused('is refused when a link is cut off', invalid, (forge) =>
    forge.block(Uint8Array.of(0x12, 0x22, 0x0a)),
  );
  assertRefused('is refused when a length is absurd', invalid, (forge) =>
    forge.block(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
  );

  const link = field(2, field(1, leaf.bytes), field(2), Uint8Array.of(0x18, 10));
  const ofOne = field(1, Uint8Array.of(0x08, 2, 0x18, 10, 0x20, 10));
  assertRefused('is refused when a node has data twice', invalid, (forge) =>
    forge.block(Buffer.concat([link, ofOne, ofOne])),
  );
  assertRefused('is refused when a node has links before its data and after it', invalid, (forge) =>
    forge.block(Buffer.concat([link, field(1, Uint8Array.of(0x08, 2, 0x18, 20, 0x20, 10, 0x20, 10)), link])),
  );
  assertRefused('is refused when a link leads to two nodes', invalid, (forge) =>
    forge.block(Buffer.concat([field(2, field(1, leaf.bytes), field(1, other.bytes)), ofOne])),
  );
  assertRefused('is refused when a link leads nowhere', invalid, (forge) =>
    forge.block(Buffer.concat([field(2, field(2)), ofOne])),
  );
  assertRefused('is refused when a field of UnixFS is of another kind', invalid, (forge) =>
    forge.block(Buffer.concat([link, field(1, Uint8Array.of(0x08, 2, 0x1a, 1, 10, 0x20, 10))])),
  );
  it('is refused when it is cut off, wherever', async () => {
    const whole = Buffer.concat([link, ofOne]);
    for (let end = 0; end < whole.byteLength; end++) {
      const forge = new Forge();
      const root = forge.block(whole.subarray(0, end));
      await assert.rejects(walk({ root, nodes: forge.nodes }), { code: invalid }, `at ${end}`);
    }
    const forge = new Forge();
    assert.equal((await walk({ root: forge.block(whole), nodes: forge.nodes })).size, 10);
  });
  assertRefused('is refused when a number is cut off', invalid, (forge) =>
    forge.block(Buffer.concat([link, field(1, Uint8Array.of(0x08, 2, 0x20, 10, 0x18, 0x8a))])),
  );
  assertRefused('is refused when a number has no end', invalid, (forge) =>
    forge.block(Buffer.concat([link, field(1, new Uint8Array(20).fill(0x80))])),
  );

  for (const name of ['', '.', '..', '../x', 'a/b', 'a\\b', '/etc/passwd', 'nul\0byte', 'x'.repeat(300)]) {
    assertRefused(
      `is refused when an entry is named ${JSON.stringify(name.slice(0, 20))}`,
      invalid,
      (forge) => forge.directory([{ cid: leaf, name, tsize: 10 }]),
    );
  }
  assertRefused('is refused when a name is not UTF-8', invalid, (forge) => {
    const link = Buffer.concat([
      Uint8Array.of(0x0a, 36),
      leaf.bytes,
      Uint8Array.of(0x12, 2, 0xc3, 0x28, 0x18, 10),
    ]);
    return forge.block(
      Buffer.concat([Uint8Array.of(0x12, link.byteLength), link, Uint8Array.of(0x0a, 2, 0x08, 1)]),
    );
  });
  assertRefused('is refused when a directory has a name twice', invalid, (forge) =>
    forge.directory([
      { cid: leaf, name: 'a', tsize: 10 },
      { cid: other, name: 'a', tsize: 10 },
    ]),
  );
  assertRefused('is refused when two shards of a directory have the same name', invalid, (forge) =>
    forge.shard([
      { cid: leaf, name: '00same', tsize: 10 },
      { cid: forge.shard([{ cid: other, name: '07same', tsize: 10 }]), name: '01' },
    ]),
  );
  assertRefused('is refused when a name in a shard is unsafe', invalid, (forge) =>
    forge.shard([{ cid: leaf, name: '00../x', tsize: 10 }]),
  );
  assertRefused('is refused when a shard has slots out of order', invalid, (forge) =>
    forge.shard([
      { cid: leaf, name: '0Aa', tsize: 10 },
      { cid: leaf, name: '0Ab', tsize: 10 },
    ]),
  );
  assertRefused('is refused when a slot is no hex number', invalid, (forge) =>
    forge.shard([{ cid: leaf, name: 'xxa', tsize: 10 }]),
  );
  assertRefused('is refused when a sub-shard is a file', invalid, (forge) =>
    forge.shard([{ cid: forge.file([{ cid: leaf, size }]), name: '00' }]),
  );
  assertRefused('is refused when a sub-shard is a leaf', invalid, (forge) =>
    forge.shard([{ cid: leaf, name: '00', tsize: 10 }]),
  );
  assertRefused('is refused when a shard is empty', invalid, (forge) => forge.shard([]));
  assertRefused('is refused when a link has no text', invalid, (forge) =>
    forge.node(new UnixFS({ type: 'symlink' }).marshal()),
  );
  assertRefused('is refused when the text of a link is longer than any system takes', invalid, (forge) =>
    forge.node(new UnixFS({ type: 'symlink', data: new Uint8Array(4097).fill(65) }).marshal()),
  );
  assertRefused('is refused when a link contains NUL', invalid, (forge) =>
    forge.node(new UnixFS({ type: 'symlink', data: Uint8Array.of(65, 0) }).marshal()),
  );
});

describe('A DAG of a form that Shoal does not speak', () => {
  const unsupported = 'ERR_UNSUPPORTED_DAG';

  assertRefused('is refused when content is inside a dag-pb node', unsupported, (forge) =>
    forge.node(new UnixFS({ type: 'file', data: noise(10) }).marshal()),
  );
  assertRefused('is refused when leaves are dag-pb nodes', unsupported, (forge) =>
    forge.file([{ cid: forge.node(new UnixFS({ type: 'raw', data: noise(10) }).marshal()), size: 10 }]),
  );
  assertRefused('is refused when a leaf is larger than a MiB', unsupported, (forge) =>
    forge.file([{ cid: leaf, size: (1 << 20) + 1 }]),
  );
  assertRefused('is refused when a directory does not say how large a leaf is', unsupported, (forge) =>
    forge.directory([{ cid: leaf, name: 'a' }]),
  );
  assertRefused('is refused when a shard has another hash', unsupported, (forge) =>
    forge.shard([{ cid: leaf, name: '00a', tsize: 10 }], { hashType: 0x12n }),
  );
  assertRefused('is refused when a fanout is no power of two', unsupported, (forge) =>
    forge.shard([{ cid: leaf, name: '00a', tsize: 10 }], { fanout: 100n }),
  );

  for (const fanout of [4n, 2048n]) {
    assertRefused(`is refused when a fanout is ${fanout}`, unsupported, (forge) =>
      forge.shard([{ cid: leaf, name: '000a', tsize: 10 }], { fanout }),
    );
  }
  assertRefused('is refused when a link is no CID of version 1 by sha2-256', unsupported, (forge) =>
    forge.block(
      Buffer.concat([
        field(2, field(1, leaf.multihash.bytes)),
        field(1, Uint8Array.of(0x08, 2, 0x18, 10, 0x20, 10)),
      ]),
    ),
  );

  it('is refused when the root is of another codec or hash', () => {
    const cbor = CID.createV1(0x71, leaf.multihash);
    const sha1 = CID.createV1(RAW_CODE, createDigest(0x11, noise(20)));
    for (const root of [cbor, sha1]) assert.throws(() => new DagWalk(root), { code: 'ERR_UNSUPPORTED_CID' });
  });

  it('is refused when the root is a leaf larger than a MiB', async () => {
    const bytes = new Uint8Array((1 << 20) + 1);
    const root = cidOf(RAW_CODE, sha256(bytes));
    await assert.rejects(new DagWalk(root).add(root, bytes), { code: unsupported, fault: 'none' });
  });
});

describe('A DAG that costs too much', () => {
  const tooLarge = 'ERR_ASSET_TOO_LARGE';

  assertRefused('is refused when a few nodes make a huge file', tooLarge, (forge) => {
    let part = { cid: leaf, size: 10 };
    for (let i = 0; i < 12; i++)
      part = { cid: forge.file(Array.from({ length: 8 }, () => part)), size: part.size * 8 };
    return part.cid;
  });
  assertRefused(
    'is refused when a few nodes make a huge tree of directories',
    tooLarge,
    (forge) => {
      let cid = forge.directory([]);
      for (let i = 0; i < 20; i++) cid = forge.directory(['a', 'b', 'c'].map((name) => ({ cid, name })));
      return cid;
    },
    { maxEntries: 10_000 },
  );
  assertRefused(
    'is refused when it nests too deep',
    tooLarge,
    (forge) => {
      let cid = forge.directory([]);
      for (let i = 0; i < 12; i++) cid = forge.directory([{ cid, name: 'd' }]);
      return cid;
    },
    { maxDepth: 12 },
  );
  assertRefused(
    'is refused when it nests too deep by nodes that are also higher up',
    tooLarge,
    (forge) => {
      let cid = forge.directory([]);
      const all: Linked[] = [];
      for (let i = 0; i < 12; i++) {
        cid = forge.directory([{ cid, name: 'd' }]);
        all.push({ cid, name: String.fromCharCode(97 + i) });
      }
      return forge.directory(all);
    },
    { maxDepth: 12 },
  );
  assertRefused(
    'is refused when two nodes stand for too many',
    tooLarge,
    (forge) => {
      const cid = forge.file([{ cid: leaf, size: 10 }]);
      return forge.directory(
        Array.from({ length: 20 }, (_, i) => ({ cid, name: String.fromCharCode(97 + i) })),
      );
    },
    { maxNodes: 20 },
  );
  const wide = (forge: Forge) =>
    forge.directory(
      Array.from({ length: 20 }, (_, i) => ({
        name: String.fromCharCode(97 + i),
        cid: forge.file([{ cid: cidOf(RAW_CODE, sha256(noise(5, `${i}`))), size: 5 }]),
      })),
    );
  assertRefused('is refused when it has too many nodes', tooLarge, wide, { maxNodes: 20 });
  assertRefused('is refused when its nodes are too large together', tooLarge, wide, { maxNodeBytes: 1500 });
  assertRefused('is refused when it has too many entries', tooLarge, wide, { maxEntries: 19 });
  assertRefused('is refused when it has too many leaves', tooLarge, wide, { maxLeaves: 19 });
  assertRefused('is refused when its paths are too long together', tooLarge, wide, { maxPathParts: 19 });
  assertRefused('is refused when a node is larger than two MiB', tooLarge, (forge) =>
    forge.block(new Uint8Array((2 << 20) + 1)),
  );

  it('is taken when it is just within the limits', async () => {
    const forge = new Forge();
    const root = wide(forge);
    const limits = { maxNodes: 21, maxEntries: 20, maxLeaves: 20, maxPathParts: 20, maxDepth: 2 };
    assert.equal((await walk({ root, nodes: forge.nodes }, { limits })).size, 100);
  });

  it('stays refused', async () => {
    const forge = new Forge();
    const root = wide(forge);
    const dagWalk = new DagWalk(root, { maxNodes: 20 });
    await assert.rejects(dagWalk.add(root, forge.nodes.get(root.toString()) as Uint8Array), {
      code: tooLarge,
    });
    await assert.rejects(dagWalk.add(root, forge.nodes.get(root.toString()) as Uint8Array), {
      code: tooLarge,
    });
    assert.deepEqual(dagWalk.needs(10), []);
    assert.equal(dagWalk.done, false);
  });
});

describe('A DAG that another program made', () => {
  it('is taken with leaves at different depths and of different sizes', async () => {
    const forge = new Forge();
    const parts = [3, 10, 1, 7, 7].map((size, i) => ({
      cid: cidOf(RAW_CODE, sha256(noise(size, `${i}`))),
      size,
      tsize: size,
    }));
    const inner = forge.file(parts.slice(1, 4));
    const root = forge.file([parts[0] as Linked, { cid: inner, size: 18 }, parts[4] as Linked]);
    const manifest = await walk({ root, nodes: forge.nodes });
    assert.equal(manifest.size, 28);
    const starts = [0, 3, 13, 14, 21];
    for (let offset = 0; offset < 28; offset++) {
      const [part] = manifest.range(0, offset, 1);
      const i = starts.findLastIndex((start) => start <= offset);
      assert.deepEqual(part, { chunk: i, start: starts[i], size: (parts[i] as any).size });
    }
  });

  it('is taken with packed block sizes, and with data that is empty', async () => {
    for (const sizes of [
      [0x22, 2, 10, 10],
      [0x12, 0, 0x20, 10, 0x20, 10],
    ]) {
      const forge = new Forge();
      const root = forge.node(Uint8Array.of(0x08, 2, 0x18, 20, ...sizes), [{ cid: leaf }, { cid: other }]);
      assert.equal((await walk({ root, nodes: forge.nodes })).size, 20);
    }
  });

  it('is taken with modes and modification times, which are passed over', async () => {
    const forge = new Forge();
    const data = new UnixFS({ type: 'file', blockSizes: [10n], mode: 0o755, mtime: { secs: -5n, nsecs: 7 } });
    const root = forge.node(data.marshal(), [{ cid: leaf, tsize: 10 }]);
    assert.equal((await walk({ root, nodes: forge.nodes })).size, 10);
  });
});
