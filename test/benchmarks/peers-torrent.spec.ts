import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bencode } from '../../benchmarks/peers/bencode.ts';
import { makeTorrent } from '../../benchmarks/peers/torrent.ts';
import { answerAnnounce, type Registry } from '../../benchmarks/peers/tracker.ts';

describe('peers: bencode', () => {
  it("writes BEP 3's own examples", () => {
    assert.equal(bencode('spam').toString(), '4:spam');
    assert.equal(bencode(-3).toString(), 'i-3e');
    assert.equal(bencode(['spam', 'eggs']).toString(), 'l4:spam4:eggse');
    assert.equal(bencode({ spam: ['a', 'b'], cow: 'moo' }).toString(), 'd3:cow3:moo4:spaml1:a1:bee');
  });

  it('counts text in bytes, and writes bytes as they are', () => {
    assert.equal(bencode('é').toString(), '2:é');
    assert.deepEqual(bencode(Uint8Array.of(0xff, 0)), Buffer.from('2:\xff\0', 'latin1'));
  });

  it('refuses a number that is no whole one', () => {
    assert.throws(() => bencode(0.5), RangeError);
  });
});

describe('peers: torrents', () => {
  it('hashes each piece, the last as short as it is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-test-'));
    try {
      const content = randomBytes(2500);
      await writeFile(join(folder, 'content'), content);
      const torrent = await makeTorrent(join(folder, 'content'), {
        name: 'name',
        pieceBytes: 1024,
        announce: 'http://10.77.0.1/announce',
      });
      const sha1 = (bytes: Buffer): Buffer => createHash('sha1').update(bytes).digest();
      const pieces = [
        sha1(content.subarray(0, 1024)),
        sha1(content.subarray(1024, 2048)),
        sha1(content.subarray(2048)),
      ];
      const head = Buffer.from(
        'd8:announce25:http://10.77.0.1/announce4:infod6:lengthi2500e4:name4:name12:piece lengthi1024e6:pieces60:',
      );
      assert.deepEqual(torrent, Buffer.concat([head, ...pieces, Buffer.from('ee')]));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('peers: the tracker', () => {
  const HASH = 'info_hash=%9F%01abc';

  it('tells each announcer of all who announced before it, and not of itself', () => {
    const registry: Registry = new Map();
    const announce = (address: string): string =>
      answerAnnounce(registry, `/announce?${HASH}&port=6881`, address).toString('latin1');
    assert.match(announce('10.77.0.2'), /5:peers0:/);
    assert.ok(announce('10.77.0.3').includes('5:peers6:\x0a\x4d\x00\x02\x1a\xe1'));
    assert.match(announce('10.77.0.4'), /5:peers12:/);
    assert.ok(announce('10.77.0.2').includes('5:peers12:\x0a\x4d\x00\x03\x1a\xe1\x0a\x4d\x00\x04\x1a\xe1'));
  });

  it('keeps torrents apart, and knows one however its hash is spelt', () => {
    const registry: Registry = new Map();
    answerAnnounce(registry, '/announce?info_hash=%9Fx&port=1', '10.0.0.1');
    const other = answerAnnounce(registry, '/announce?info_hash=%9Ey&port=1', '10.0.0.2');
    assert.match(other.toString('latin1'), /5:peers0:/);
    const same = answerAnnounce(registry, '/announce?port=1&info_hash=%9fx', '10.0.0.2');
    assert.match(same.toString('latin1'), /5:peers6:/);
  });

  it('refuses an announce without a hash or a port that can be', () => {
    for (const query of ['port=1', HASH, `${HASH}&port=0`, `${HASH}&port=65536`, `${HASH}&port=x`]) {
      const registry: Registry = new Map();
      assert.match(
        answerAnnounce(registry, `/announce?${query}`, '10.0.0.1').toString(),
        /14:failure reason/,
      );
      assert.equal(registry.size, 0);
    }
  });

  it('answers a scrape with nothing, and enters nobody', () => {
    const registry: Registry = new Map();
    assert.equal(answerAnnounce(registry, `/scrape?${HASH}`, '10.0.0.1').toString(), 'd5:filesdee');
    assert.equal(registry.size, 0);
  });
});
