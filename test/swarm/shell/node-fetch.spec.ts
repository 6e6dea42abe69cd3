import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { DagWalk } from '../../../src/integrity/dag-walk.ts';
import { cidOf, DAG_PB_CODE } from '../../../src/integrity/parse-cid.ts';
import { sha256 } from '../../../src/integrity/sha256.ts';
import { NodeFetch } from '../../../src/swarm/node-fetch.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';
import { bytesOf, fileOf, type MemoryFile } from './memory-asset.ts';

/** A node that this fetch did not ask for. */
const ANOTHER = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy');

const signal = new AbortController().signal;

/** A fetch of a file's root from peers of the test's, on its clock. */
class Rig {
  nowMs = 0;
  answeredAtMs = -Infinity;
  queued = 0;
  readonly asked: string[] = [];
  readonly forgotten: string[] = [];
  readonly fetch: NodeFetch;
  readonly done: Promise<void>;
  readonly #file: MemoryFile;
  readonly #links = new Map<string, PeerLink>();
  readonly #named = new Map<string, PeerLink>();
  /** Of whom it is known that they have the nodes. */
  readonly #knowing = new Set<PeerLink>();

  constructor(file: MemoryFile, ...peers: string[]) {
    this.#file = file;
    for (const peer of peers) this.#links.set(peer, { peer } as PeerLink);
    const options = {
      onNode: () => {},
      onQueued: () => void this.queued++,
      untilRootOnly: true,
      signal,
    };
    this.fetch = new NodeFetch(file.root, new DagWalk(file.root), options, {
      nowMs: () => this.nowMs,
      holders: () => this.#links.values(),
      hasNodes: (link) => this.#knowing.has(link),
      ask: (link) => void this.asked.push(link.peer),
      answeredAtMs: () => this.answeredAtMs,
      room: () => 1,
      forget: (link) => void this.forgotten.push(link.peer),
      blame: (_link, code) => assert.fail(code),
    });
    this.done = this.fetch.run();
  }

  /** Ticks every five seconds; with `others`, the peer answers another fetch before each. */
  run(sec: number, others = false): this {
    for (const endMs = this.nowMs + sec * 1000; this.nowMs < endMs;) {
      this.nowMs += 5000;
      if (others) {
        this.answeredAtMs = this.nowMs;
        for (const link of this.#links.values()) this.fetch.answered(link, ANOTHER, undefined);
      }
      this.fetch.tick();
    }
    return this;
  }

  answer(peer: string): void {
    const bytes = this.#file.nodes.get(this.#file.root.toString());
    this.fetch.answered(this.#linkTo(peer), this.#file.root, bytes);
  }

  /** The root was named to the peer, which has not confirmed it. */
  names(peer: string): this {
    this.fetch.guess(this.#linkTo(peer));
    return this;
  }

  confirms(peer: string): this {
    this.#links.set(peer, this.#linkTo(peer));
    this.fetch.joined(this.#linkTo(peer));
    return this;
  }

  /** The peer says so that it has the nodes. */
  joins(peer: string): this {
    this.#knowing.add(this.#linkTo(peer));
    return this.confirms(peer);
  }

  /** So long nobody says anything, and the fetch looks. */
  hedges(afterMs: number): this {
    this.nowMs += afterMs;
    this.fetch.hedge();
    return this;
  }

  /** The peer says that it does not have the root's node. */
  lacks(peer: string): this {
    this.fetch.answered(this.#linkTo(peer), this.#file.root, undefined);
    return this;
  }

  loses(peer: string): this {
    const link = this.#linkTo(peer);
    this.#links.delete(peer);
    this.fetch.gone(link);
    return this;
  }

  #linkTo(peer: string): PeerLink {
    const link = this.#links.get(peer) ?? this.#named.get(peer) ?? ({ peer } as PeerLink);
    this.#named.set(peer, link);
    return link;
  }
}

describe('a fetch of interior nodes', () => {
  let file: MemoryFile;

  before(async () => {
    file = await fileOf(bytesOf(4096), 1024);
  });

  it('asks a peer again that has the nodes and did not give one, and no other that did not', async () => {
    const rig = new Rig(file, 'a').confirms('b');
    rig.lacks('a').lacks('b');
    assert.deepEqual(rig.asked, ['a', 'b']);
    rig.run(60);
    assert.deepEqual(rig.asked, ['a', 'b']);
    rig.joins('a').lacks('a');
    assert.deepEqual(rig.asked, ['a', 'b', 'a']);
    rig.run(5);
    assert.equal(rig.asked.length, 3);
    rig.run(5);
    assert.deepEqual(rig.asked, ['a', 'b', 'a', 'a']);
    rig.answer('a');
    await rig.done;
  });

  it('asks another peer when one answers nothing for ten seconds, and takes what comes late all the same', async () => {
    const rig = new Rig(file, 'a', 'b');
    assert.deepEqual(rig.asked, ['a']);
    rig.run(10);
    assert.deepEqual(rig.asked, ['a', 'b']);
    rig.answer('a');
    await rig.done;
  });

  it('waits for a peer that answers other fetches, for its turn comes, and is told so', async () => {
    const rig = new Rig(file, 'a', 'b').run(30, true);
    assert.deepEqual(rig.asked, ['a']);
    assert.equal(rig.queued, 6);
    rig.answer('a');
    await rig.done;
  });

  it('passes over a peer that answers others for a minute, and this fetch never', () => {
    const rig = new Rig(file, 'a', 'b').run(60, true);
    assert.deepEqual(rig.asked, ['a', 'b']);
  });

  it('asks the first peer it names the root to before that confirms it, and no second', async () => {
    const rig = new Rig(file).names('a').names('b');
    assert.deepEqual(rig.asked, ['a']);
    rig.answer('a');
    await rig.done;
  });

  it('asks those that confirm the root as if nobody had been asked before', async () => {
    const rig = new Rig(file).names('a').names('b').confirms('b');
    assert.deepEqual(rig.asked, ['a', 'b']);
    rig.confirms('a').lacks('a').answer('b');
    assert.deepEqual(rig.asked, ['a', 'b']);
    await rig.done;
  });

  it('asks again a peer that lacked the root and now confirms it', async () => {
    const rig = new Rig(file).names('a').lacks('a');
    assert.deepEqual(rig.asked, ['a']);
    rig.confirms('a');
    assert.deepEqual(rig.asked, ['a', 'a']);
    rig.answer('a');
    await rig.done;
  });

  it('heeds a peer that says over and over that it has the root four times a second', async () => {
    const rig = new Rig(await fileOf(bytesOf(10)), 'a');
    rig.confirms('a').lacks('a');
    for (let i = 0; i < 100; i++) rig.confirms('a').lacks('a');
    assert.deepEqual(rig.asked, ['a']);
    rig.hedges(250).lacks('a');
    for (let i = 0; i < 100; i++) rig.confirms('a').lacks('a');
    assert.deepEqual(rig.asked, ['a', 'a']);
    rig.hedges(250).answer('a');
    await rig.done;
  });

  it('asks the next one it names the root to where the link to the first is lost', () => {
    assert.deepEqual(new Rig(file).names('a').loses('a').names('b').asked, ['a', 'b']);
  });

  it('asks nobody unconfirmed where one has confirmed', () => {
    assert.deepEqual(new Rig(file, 'a').names('b').asked, ['a']);
  });

  it('asks one more peer of which it is known that it has the nodes, when one keeps it waiting', async () => {
    const rig = new Rig(file, 'a', 'b').joins('c').hedges(699);
    assert.deepEqual(rig.asked, ['a']);
    rig.hedges(1);
    assert.deepEqual(rig.asked, ['a', 'c']);
    rig.answer('c');
    await rig.done;
    assert.deepEqual(rig.forgotten, ['a']);
  });

  it('asks nobody else while it is not known who has the nodes, and at once when somebody says so', () => {
    const rig = new Rig(file, 'a', 'b').hedges(5000);
    assert.deepEqual(rig.asked, ['a']);
    assert.deepEqual(rig.joins('b').asked, ['a', 'b']);
  });

  it('asks one more each time that all who were asked are silent, each of them once', async () => {
    const rig = new Rig(file, 'a').joins('b').joins('c').joins('d').hedges(700);
    assert.equal(rig.asked.length, 2);
    rig.hedges(699);
    assert.equal(rig.asked.length, 2);
    for (let n = 0; n < 5; n++) rig.hedges(700);
    assert.deepEqual(rig.asked.toSorted(), ['a', 'b', 'c', 'd']);
    rig.answer('b');
    await rig.done;
    assert.deepEqual(rig.forgotten.toSorted(), ['a', 'c', 'd']);
  });

  it('asks nobody else while the peer answers other fetches', () => {
    const rig = new Rig(file, 'a').joins('b');
    rig.nowMs = rig.answeredAtMs = 5000;
    assert.deepEqual(rig.hedges(699).asked, ['a']);
  });

  it('asks none of those that lack it, and nobody again while one is being asked', () => {
    const rig = new Rig(file, 'a').joins('b').hedges(700).lacks('b').hedges(700);
    assert.deepEqual(rig.asked, ['a', 'b']);
    rig.joins('c');
    assert.deepEqual(rig.asked, ['a', 'b', 'c']);
    rig.lacks('a').hedges(699).confirms('d');
    assert.deepEqual(rig.asked, ['a', 'b', 'c']);
    rig.loses('c');
    assert.deepEqual(rig.asked, ['a', 'b', 'c', 'd']);
  });

  it('asks nobody anew where the link to one of two that are asked is lost', () => {
    const rig = new Rig(file, 'a').joins('b').hedges(700).confirms('c').loses('a');
    assert.deepEqual(rig.asked, ['a', 'b']);
  });

  it('takes what comes from whom it was taken back, where it is the first', async () => {
    const rig = new Rig(file, 'a').joins('b').hedges(700).run(10);
    rig.answer('a');
    await rig.done;
  });

  it('shares what is late out over those that have it, and has a peer forget when it awaits nothing more of it', async () => {
    const cids = Array.from({ length: 16 }, (_, i) => cidOf(DAG_PB_CODE, sha256(Uint8Array.of(i))));
    const wanted = new Map(cids.map((cid) => [cid.toString(), cid]));
    const walk = {
      get done() {
        return wanted.size === 0;
      },
      needs: (max: number) => [...wanted.values()].slice(0, max),
      add: async (cid: CID) => (wanted.delete(cid.toString()) ? ('ok' as const) : ('unwanted' as const)),
    };
    let nowMs = 0;
    const room = new Map(Object.entries({ a: 16, b: 10, c: 4 }));
    const links = [...room.keys()].map((peer) => ({ peer }) as PeerLink);
    const asked: { peer: string; cid: CID }[] = [];
    const forgotten: string[] = [];
    const [a] = links as [PeerLink];
    const fetch = new NodeFetch(cids[0]!, walk, { onNode: () => {}, signal }, {
      nowMs: () => nowMs,
      holders: () => links,
      hasNodes: ({ peer }) => peer !== 'a',
      ask: ({ peer }, batch) => asked.push(...batch.map((cid) => ({ peer, cid }))),
      answeredAtMs: () => -Infinity,
      room: ({ peer }) => room.get(peer)!,
      forget: ({ peer }) => forgotten.push(peer),
      blame: (_link, code) => assert.fail(code),
    }); // prettier-ignore
    const done = fetch.run();
    nowMs = 700;
    fetch.hedge();
    const others = asked.slice(16);
    assert.equal(others.length, 14);
    assert.equal(new Set(others.map(({ cid }) => cid.toString())).size, 14);
    for (const { peer, cid } of others) {
      fetch.answered(
        links.find((link) => link.peer === peer)!,
        cid,
        Uint8Array.of(0),
      );
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(forgotten, [], 'two more are awaited of a');
    for (const cid of cids.filter((each) => wanted.has(each.toString()))) {
      fetch.answered(a, cid, Uint8Array.of(0));
    }
    await done;
    assert.deepEqual(forgotten, ['a']);
    assert.equal(asked.length, 30);
  });

  it('asks a peer for more the more it has answered, before it has answered all it was asked', async () => {
    const cids = Array.from({ length: 2000 }, (_, i) => cidOf(DAG_PB_CODE, sha256(Uint8Array.of(i, i >> 8))));
    const wanted = new Map(cids.map((cid) => [cid.toString(), cid]));
    const walk = {
      get done() {
        return wanted.size === 0;
      },
      needs: (max: number) => [...wanted.values()].slice(0, max),
      add: async (cid: CID) => (wanted.delete(cid.toString()) ? ('ok' as const) : ('unwanted' as const)),
    };
    const link = { peer: 'a' } as PeerLink;
    const asked: CID[] = [];
    const batches: number[] = [];
    const ask = (_link: PeerLink, batch: readonly CID[]): void => {
      batches.push(batch.length);
      asked.push(...batch);
    };
    let most = 0;
    const fetch = new NodeFetch(cids[0]!, walk, { onNode: () => {}, signal }, {
      nowMs: () => 0,
      holders: () => [link],
      hasNodes: () => false,
      ask,
      answeredAtMs: () => 0,
      room: () => Infinity,
      forget: () => {},
      blame: (_link, code) => assert.fail(code),
    }); // prettier-ignore
    const done = fetch.run();
    for (let answered = 0; answered < cids.length; answered++) {
      most = Math.max(most, asked.length - answered);
      fetch.answered(link, asked[answered]!, Uint8Array.of(0));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    assert.equal(batches[0], 16);
    assert.equal(new Set(asked.map(String)).size, cids.length);
    assert.equal(asked.length, cids.length);
    assert.ok(most > 200 && most <= 256, `${most} were on their way at most`);
    assert.ok(batches.length < 60, `it was asked ${batches.length} times`);
  });
});
