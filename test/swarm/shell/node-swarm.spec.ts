import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { DagWalk } from '../../../src/integrity/dag-walk.ts';
import type { Have } from '../../../src/swarm/core/messages.ts';
import { NamedRoots } from '../../../src/swarm/named-roots.ts';
import { NodeSwarm, type NodeSwarmHost } from '../../../src/swarm/node-swarm.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';
import { MAX_EARLY_MESSAGES } from '../../../src/swarm/link-table.ts';
import type { ControlMessage } from '../../../src/swarm/wire/control-message.ts';
import { bytesOf, fileOf, type MemoryFile } from './memory-asset.ts';

/** A peer that has every node, or none. */
class Peer {
  hasNodes = true;
  isEnded = false;
  readonly peer: string;
  readonly named = new NamedRoots();
  readonly asked = new Set<number>();
  readonly hello = { features: ['forget-nodes'] };
  /** For each NODES how many nodes it asks for. */
  readonly requests: number[] = [];
  /** JOIN and NODES that it was sent. */
  messages = 0;
  /** What it was asked for and has not answered. */
  readonly owed: { slot: number; cid: Uint8Array }[] = [];

  constructor(peer: string) {
    this.peer = peer;
  }

  async controlBelow(): Promise<void> {}

  get link(): PeerLink {
    return this as unknown as PeerLink;
  }

  send(message: ControlMessage): void {
    this.messages++;
    if (message.type !== 'nodes') return;
    this.requests.push(message.cids.length);
    for (const cid of message.cids) this.owed.push({ slot: message.slot, cid });
  }
}

/** A node's side of it, and peers that answer when the test says so. */
class Rig {
  nowMs = 0;
  readonly peers: Peer[];
  readonly swarm: NodeSwarm;
  wasted = 0;
  takenBack = 0;
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #keys = new Map<string, number>();

  constructor(...peers: Peer[]) {
    this.peers = peers;
    const host = {
      nowMs: () => this.nowMs,
      links: { values: () => peers.map(({ link }) => link).values() },
      assets: {
        keyOf: (text: string) => {
          const key = this.#keys.get(text) ?? this.#keys.size + 1;
          this.#keys.set(text, key);
          return key;
        },
        knownKey: (text: string) => this.#keys.get(text),
        byKey: () => undefined,
        get: () => undefined,
        values: () => [],
      },
      getNode: async () => undefined,
      blame: (_peer: string, code: string) => assert.fail(code),
      care: {
        wasted: () => void this.wasted++,
        tookBack: (_link: PeerLink, nodes: number) => void (this.takenBack += nodes),
      },
    };
    this.swarm = new NodeSwarm(host as unknown as NodeSwarmHost);
  }

  fetch(file: MemoryFile, untilRootOnly = false, signal = new AbortController().signal): Promise<void> {
    for (const [text, bytes] of file.nodes) this.#nodes.set(text, bytes);
    return this.swarm.fetch(file.root, new DagWalk(file.root), { onNode: () => {}, untilRootOnly, signal });
  }

  joins(peer: Peer, root: CID, have: Have = { kind: 'all' }, slot = 9): this {
    const named = peer.named.join(slot, root.bytes, have, false, () => true);
    assert.ok(named);
    this.swarm.joined(peer.link, named);
    return this;
  }

  /** The peer answers so many nodes, the first that it was asked for first. */
  async answer(peer: Peer, count = peer.owed.length): Promise<void> {
    for (const { slot, cid } of peer.owed.splice(0, count)) {
      const bytes = peer.hasNodes ? this.#nodes.get(CID.decode(cid).toString()) : undefined;
      this.swarm.receive(peer.link, { type: 'node', slot, cid, bytes });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    this.swarm.stop();
  }
}

describe('the swarm of nodes', () => {
  let file: MemoryFile;
  let a: Peer;
  let b: Peer;

  before(async () => {
    // A root and three nodes below it.
    file = await fileOf(bytesOf(3 << 20), 1024);
    assert.equal(file.nodes.size, 4);
  });

  beforeEach(() => {
    a = new Peer('a');
    b = new Peer('b');
  });

  it('tells a peer that gave nodes when they are here, and none that had none', async () => {
    using rig = new Rig(a, b);
    a.hasNodes = false;
    rig.joins(a, file.root).joins(b, file.root);
    const fetching = rig.fetch(file);
    await rig.answer(a);
    for (let n = 0; n < 2; n++) {
      await rig.answer(b);
      await rig.answer(a);
    }
    await rig.answer(b);
    await fetching;
    assert.equal(b.requests.at(-1), 0);
    assert.ok(!a.requests.includes(0));
  });

  it('takes it for no silence when a peer confirms what was named to it before', async () => {
    using rig = new Rig(a);
    const stop = new AbortController();
    const first = new AbortController();
    const queued: number[] = [];
    const fetching: Promise<void>[] = [];
    const roots: CID[] = [];
    for (let n = 0; n < 4; n++) {
      const { root } = await fileOf(bytesOf(2000 + n), 1024);
      roots.push(root);
      const { signal } = n === 0 ? first : stop;
      const options = { onNode: () => {}, onQueued: () => void queued.push(n), signal };
      fetching.push(rig.swarm.fetch(root, new DagWalk(root), options));
    }
    rig.joins(a, roots[1] as CID);
    assert.deepEqual(queued, [2, 3]);
    rig.joins(b, file.root);
    assert.deepEqual(queued, [2, 3]);
    // What was named first has been given up meanwhile, or was answered before it was confirmed.
    first.abort(new Error('not this one'));
    await assert.rejects(fetching[0] as Promise<void>, /not this one/);
    rig.joins(a, roots[0] as CID, { kind: 'all' }, 8);
    assert.deepEqual(queued, [2, 3, 1, 2, 3]);
    stop.abort(new Error('enough'));
    for (const result of await Promise.allSettled(fetching)) assert.equal(result.status, 'rejected');
  });

  const deaf: [string, (peer: Peer) => void][] = [
    ['has ended its link', (peer) => (peer.isEnded = true)],
    ['has left the root', (peer) => void peer.named.leave(9)],
    ['does not know of it', (peer) => void peer.hello.features.pop()],
  ];
  for (const [what, change] of deaf) {
    it(`does not tell a peer that ${what}`, async () => {
      using rig = new Rig(a);
      rig.joins(a, file.root);
      const fetching = rig.fetch(file, true);
      change(a);
      await rig.answer(a);
      await fetching;
      assert.deepEqual(a.requests, [1]);
    });
  }

  it('asks a peer that left the root when nobody else has it: it may have closed it for want of room alone', async () => {
    using rig = new Rig(a, b);
    rig.joins(a, file.root);
    const fetching = rig.fetch(file);
    a.named.leave(9);
    await rig.answer(a);
    assert.deepEqual(a.requests, [1, 3]);
    await rig.answer(a);
    await fetching;
    rig.joins(b, file.root);
    const second = rig.fetch(file, true);
    await rig.answer(b);
    await second;
    assert.deepEqual(
      [a.requests, b.requests],
      [
        [1, 3],
        [1, 0],
      ],
    );
  });

  it('tells a peer when the last fetch of the root is over', async () => {
    using rig = new Rig(a);
    rig.joins(a, file.root);
    const first = rig.fetch(file, true);
    const second = rig.fetch(file);
    await rig.answer(a);
    await first;
    assert.deepEqual(a.requests, [1, 1, 3]);
    await rig.answer(a);
    await second;
    assert.deepEqual(a.requests, [1, 1, 3, 0]);
  });

  it('tells a peer once that all came from another, when no fetch awaits anything of it, and bears what comes late', async () => {
    using rig = new Rig(a, b);
    rig.joins(a, file.root);
    const fetching = [rig.fetch(file), rig.fetch(file)];
    await rig.answer(a);
    assert.deepEqual(a.requests, [1, 1, 3, 3]);
    rig.nowMs = 700;
    rig.joins(b, file.root);
    assert.deepEqual(b.requests, [3, 3]);
    await rig.answer(b, 2);
    assert.equal(a.requests.length, 4, 'one more is awaited of it');
    await rig.answer(b, 1);
    await Promise.all(fetching);
    assert.deepEqual(a.requests, [1, 1, 3, 3, 0]);
    const late = a.owed.at(-1)!;
    await rig.answer(a);
    assert.equal(rig.wasted, 0);
    a.owed.push(late);
    await rig.answer(a);
    assert.equal(rig.wasted, 1);
  });

  it('does not tell a peer of which another fetch awaits something', async () => {
    using rig = new Rig(a, b);
    rig.joins(a, file.root);
    const first = rig.fetch(file, true);
    rig.nowMs = 700;
    rig.joins(b, file.root);
    const second = rig.fetch(file, true);
    await rig.answer(b);
    await first;
    assert.deepEqual([a.requests, b.requests], [[1, 1], [1]]);
    await rig.answer(a);
    await second;
    assert.deepEqual(a.requests, [1, 1, 0]);
  });

  it('has a timer while something is fetched, and none when it is stopped', () => {
    const { setInterval: begin, clearInterval: end } = globalThis;
    const timers = new Set<unknown>();
    Object.assign(globalThis, {
      setInterval: () => {
        const timer = {};
        timers.add(timer);
        return timer;
      },
      clearInterval: (timer: unknown) => timers.delete(timer),
    });
    try {
      using rig = new Rig(a);
      void rig.fetch(file);
      void rig.fetch(file);
      assert.equal(timers.size, 1);
      rig.swarm.stop();
      assert.equal(timers.size, 0);
      void rig.fetch(file);
      assert.equal(timers.size, 0);
    } finally {
      Object.assign(globalThis, { setInterval: begin, clearInterval: end });
    }
  });

  it('says no more than is kept before a link is up, however often roots are fetched at once', async () => {
    using rig = new Rig();
    const others = await Promise.all([1, 2, 3, 4, 5].map((kib) => fileOf(bytesOf(kib << 10), 1024)));
    for (const each of [file, ...others]) for (let n = 0; n < 20; n++) void rig.fetch(each);
    rig.swarm.linkGreeted(b.link);
    assert.ok(b.messages > 0 && b.messages <= MAX_EARLY_MESSAGES, `${b.messages} messages`);
  });

  it('tells a peer of a fetch that is given up', async () => {
    using rig = new Rig(a);
    rig.joins(a, file.root);
    const aborting = new AbortController();
    const fetching = rig.fetch(file, false, aborting.signal);
    aborting.abort(new Error('enough'));
    await assert.rejects(fetching, /enough/);
    assert.deepEqual(a.requests, [1, 0]);
  });

  it('counts an empty NODES that was not earned, and what is taken back', () => {
    using rig = new Rig(a);
    rig.joins(a, file.root);
    const say = (...cids: Uint8Array[]): void => rig.swarm.receive(a.link, { type: 'nodes', slot: 9, cids });
    say();
    assert.deepEqual([rig.wasted, rig.takenBack], [1, 0]);
    say(file.root.bytes, file.root.bytes);
    say();
    assert.deepEqual([rig.wasted, rig.takenBack], [1, 2]);
  });
});
