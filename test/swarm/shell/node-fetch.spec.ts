import assert from 'node:assert/strict';
import { CID } from 'multiformats/cid';
import { DagWalk } from '../../../src/integrity/dag-walk.ts';
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
  readonly fetch: NodeFetch;
  readonly done: Promise<void>;
  readonly #file: MemoryFile;
  readonly #links = new Map<string, PeerLink>();

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
      ask: (link) => void this.asked.push(link.peer),
      answeredAtMs: () => this.answeredAtMs,
      room: () => 1,
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
    this.fetch.answered(this.#links.get(peer) as PeerLink, this.#file.root, bytes);
  }
}

describe('a fetch of interior nodes', () => {
  let file: MemoryFile;

  before(async () => {
    file = await fileOf(bytesOf(4096), 1024);
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
});
