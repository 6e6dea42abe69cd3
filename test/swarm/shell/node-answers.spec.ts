import assert from 'node:assert/strict';
import { cidOf, DAG_PB_CODE } from '../../../src/integrity/parse-cid.ts';
import { sha256 } from '../../../src/integrity/sha256.ts';
import type { NamedRoot } from '../../../src/swarm/named-roots.ts';
import { MAX_WAITING_NODES, NodeAnswers } from '../../../src/swarm/node-answers.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';
import type { ControlMessage } from '../../../src/swarm/wire/control-message.ts';

const LARGE = new Uint8Array(33_000);

/** A link that takes what it is sent at once. */
class Asker {
  isEnded = false;
  readonly hello = { features: [], limits: { controlFrameBytes: 1 << 20, chunkBytes: 1 << 20 } };
  /** The slot of each node that it was sent. */
  readonly got: number[] = [];

  async controlBelow(): Promise<void> {}

  send(message: ControlMessage): void {
    assert.ok(message.type === 'node');
    this.got.push(message.slot);
  }

  get link(): PeerLink {
    return this as unknown as PeerLink;
  }
}

function cidsOf(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, n) => cidOf(DAG_PB_CODE, sha256(Uint8Array.of(n, n >> 8))).bytes);
}

function rootIn(slot: number): NamedRoot {
  const root = cidOf(DAG_PB_CODE, sha256(Uint8Array.of(slot)));
  return { slot, root, text: root.toString(), hasLeft: false } as NamedRoot;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('answers to NODES', () => {
  it('give all of a large directory without a word of the peer, and several batches of requests', async () => {
    const answers = new NodeAnswers(
      async () => LARGE,
      () => 0,
    );
    const asker = new Asker();
    for (let n = 0; n < 4; n++) answers.add(asker.link, rootIn(1), cidsOf(256));
    while (asker.got.length < 1024) await settle();
    assert.ok(!answers.isIdle, 'its last turn waits for its word');
    assert.equal(answers.forget(asker.link, rootIn(1)), 0);
    assert.ok(answers.isIdle);
  });

  it('keep no more of what a peer asks for than they may, and nothing that names no node', async () => {
    const answers = new NodeAnswers(
      () => new Promise(() => {}),
      () => 0,
    );
    const asker = new Asker();
    answers.add(asker.link, rootIn(1), cidsOf(MAX_WAITING_NODES - 1));
    assert.throws(() => answers.add(asker.link, rootIn(1), cidsOf(2)), {
      code: 'ERR_PEER_FLOOD',
      fault: 'peer',
    });
    assert.throws(() => answers.add(asker.link, rootIn(1), [new Uint8Array(36)]), {
      code: 'ERR_PEER_BAD_FRAME',
    });
    // Others are answered.
    answers.add(new Asker().link, rootIn(1), cidsOf(1));
    answers.drop(asker.link);
    answers.add(asker.link, rootIn(1), cidsOf(MAX_WAITING_NODES));
  });

  it('go to the third link when one of the first two has what it asked for', async () => {
    const answers = new NodeAnswers(
      async () => LARGE,
      () => 0,
    );
    const askers = [new Asker(), new Asker(), new Asker()] as const;
    const [first, , third] = askers;
    for (const { link } of askers) answers.add(link, rootIn(1), cidsOf(1));
    await settle();
    assert.deepEqual(askers.map(({ got }) => got.length), [1, 1, 0]); // prettier-ignore
    answers.taken(first.link);
    await settle();
    assert.equal(third.got.length, 1);
  });

  it('drop what the peer takes back, and nothing that it asked for of another root', async () => {
    const { promise: mayRead, resolve } = Promise.withResolvers<void>();
    const answers = new NodeAnswers(
      async () => {
        await mayRead;
        return LARGE;
      },
      () => 0,
    );
    const [asker, other] = [new Asker(), new Asker()];
    answers.add(other.link, rootIn(1), cidsOf(3));
    answers.add(asker.link, rootIn(1), cidsOf(20));
    answers.add(asker.link, rootIn(2), cidsOf(2));
    await settle();
    // Named again, as peers do that have the nodes: the root is the same.
    assert.equal(answers.forget(asker.link, rootIn(1)), 20);
    resolve();
    await settle();
    assert.deepEqual(asker.got, [2, 2]);
    assert.deepEqual(other.got, [1, 1, 1]);
  });

  it('are asked for anew in the same breath', async () => {
    const answers = new NodeAnswers(
      async () => LARGE,
      () => 0,
    );
    const asker = new Asker();
    answers.add(asker.link, rootIn(1), cidsOf(20));
    answers.forget(asker.link, rootIn(1));
    answers.add(asker.link, rootIn(1), cidsOf(1));
    await settle();
    assert.deepEqual(asker.got, [1]);
  });

  it('notice a peer that takes back more often than it asks', () => {
    const answers = new NodeAnswers(
      async () => LARGE,
      () => 0,
    );
    const { link } = new Asker();
    assert.equal(answers.forget(link, rootIn(1)), undefined);
    answers.add(link, rootIn(1), cidsOf(1));
    assert.equal(answers.forget(link, rootIn(1)), 1);
    assert.equal(answers.forget(link, rootIn(1)), undefined);
  });

  it('keep nothing of a link that is gone, though its nodes cannot be read', async () => {
    const answers = new NodeAnswers(
      () => new Promise(() => {}),
      () => 0,
    );
    const asker = new Asker();
    answers.add(asker.link, rootIn(1), cidsOf(1));
    await settle();
    asker.isEnded = true;
    answers.drop(asker.link);
    assert.ok(answers.isIdle);
  });
});
