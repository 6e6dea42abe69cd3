import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { CID } from 'multiformats/cid';
import { compare } from 'uint8arrays/compare';
import { xor } from 'uint8arrays/xor';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { ProtoReader } from '../../src/integrity/proto-reader.ts';
import { ProvideSweep } from '../../src/node/provide-sweep.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

const sha256 = (bytes: Uint8Array | string): Uint8Array => createHash('sha256').update(bytes).digest();

const ROOTS = Array.from({ length: 200 }, (_, n) => cidOf(RAW_CODE, sha256(`${n}`)));

/** A DHT of many nodes, all known to whoever walks it, of which some are gone. */
class Dht {
  readonly #told = new Map<string, Set<string>>();
  walks = 0;
  readonly #nodes: { id: PeerId; place: Uint8Array; isGone: boolean }[];
  readonly #self: PeerId;

  private constructor(ids: PeerId[], self: PeerId, isGone: (n: number) => boolean) {
    this.#nodes = ids.map((id, n) => ({ id, place: sha256(id.toMultihash().bytes), isGone: isGone(n) }));
    this.#self = self;
  }

  static async of(count: number, isGone: (n: number) => boolean): Promise<Dht> {
    const ids = await Promise.all(
      Array.from({ length: count + 1 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
    );
    return new Dht(ids.slice(1), ids[0]!, isGone);
  }

  /** Those that answer among the twenty nearest. */
  nearest(key: Uint8Array): PeerId[] {
    const place = sha256(key);
    const sorted = this.#nodes.toSorted((a, b) => compare(xor(a.place, place), xor(b.place, place)));
    return sorted.slice(0, 20).flatMap(({ id, isGone }) => (isGone ? [] : [id]));
  }

  get libp2p(): ShoalLibp2p {
    const told = this.#told;
    const walk = (key: Uint8Array): PeerId[] => {
      this.walks++;
      return this.nearest(key);
    };
    const dht = {
      async *getClosestPeers(key: Uint8Array) {
        for (const id of walk(key)) yield { name: 'FINAL_PEER', peer: { id } };
      },
    };
    const dialProtocol = async (peer: PeerId): Promise<unknown> => {
      const roots = new Set<string>();
      told.set(peer.toString(), roots);
      const send = (frame: Uint8Array): boolean => roots.add(keyOf(frame)).size > 0;
      return { send, close: async () => {}, abort: () => {} };
    };
    const parts = { peerId: this.#self, services: { dht }, dialProtocol, getMultiaddrs: () => [] };
    return parts as unknown as ShoalLibp2p;
  }

  isTold(peer: PeerId, root: CID): boolean {
    return this.#told.get(peer.toString())?.has(hex(root.multihash.bytes)) ?? false;
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The key of an ADD_PROVIDER. */
function keyOf(frame: Uint8Array): string {
  const reader = new ProtoReader(new ProtoReader(frame).bytes());
  for (;;) {
    const { field, wire } = reader.tag();
    if (field === 2) return hex(reader.bytes());
    reader.skip(wire);
  }
}

describe('ProvideSweep', () => {
  for (const [what, isGone] of [
    ['', () => false],
    [', of which every fourth has gone', (n: number) => n % 4 === 0],
  ] as const) {
    it(`tells some of the nodes nearest to each root, in a DHT of 200${what}`, async () => {
      const dht = await Dht.of(200, isGone);
      const sweep = new ProvideSweep(dht.libp2p, 'test', () => {});
      assert.deepEqual(await sweep.run(ROOTS, new AbortController().signal), []);
      for (const root of ROOTS)
        assert.ok(
          dht
            .nearest(root.multihash.bytes)
            .slice(0, 5)
            .some((peer) => dht.isTold(peer, root)),
          `${root.toString()} was not told of`,
        );
      assert.ok(dht.walks < ROOTS.length / 2, `${dht.walks} walks`);
    });
  }

  it('walks a few times where there are few nodes, and once where there is none', async () => {
    for (const [count, most] of [
      [3, 30],
      [0, 1],
    ] as const) {
      const dht = await Dht.of(count, () => false);
      const sweep = new ProvideSweep(dht.libp2p, 'test', () => {});
      const untold = await sweep.run(ROOTS, new AbortController().signal);
      assert.equal(untold.length, count === 0 ? ROOTS.length : 0);
      assert.ok(dht.walks <= most, `${dht.walks} walks`);
    }
  });

  it('ends when it is to, though a stream takes nothing from this moment on', async () => {
    const dht = await Dht.of(1, () => false);
    const stop = new AbortController();
    let sent = 0;
    const stream = Object.assign(new EventTarget(), {
      status: 'open',
      send: () => {
        if (sent++ === 0)
          setImmediate(() => {
            stream.dispatchEvent(new Event('drain'));
            stop.abort();
          });
        return false;
      },
      abort: () => {},
    });
    const libp2p = Object.assign(dht.libp2p, { dialProtocol: async () => stream });
    assert.equal(
      (await new ProvideSweep(libp2p, 'test', () => {}).run(ROOTS, stop.signal)).length,
      ROOTS.length,
    );
  });
});
