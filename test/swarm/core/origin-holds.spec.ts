import assert from 'node:assert/strict';
import { Q, Rig } from './exchange-rig.ts';

const CHUNKS = 60;
/** Of the second asset. */
const LARGE = 2000;

/** An origin of two assets, and peers that use or decline the credit they get. */
class Origin {
  readonly rig = new Rig({ uploadBytesPerSec: 60 * Q });
  readonly #sent = new Map<string, number>();
  readonly #used = new Set<string>();

  constructor() {
    this.rig.add('x'.repeat(CHUNKS), { origin: true });
    this.rig.add('x'.repeat(LARGE), { origin: true, asset: 2 });
  }

  join(peer: string, asset: number): void {
    this.rig.join(peer, '.'.repeat(asset === 1 ? CHUNKS : LARGE), asset);
  }

  /** `taker` gets a chunk of the asset that `other` announces then: it passes on what it gets. */
  prove(taker: string, other: string, asset: number): void {
    this.join(taker, asset);
    const chunk = this.#use(taker, asset)[0] as number;
    this.join(other, asset);
    this.rig.says(other, { type: 'have', asset, chunks: [chunk] });
  }

  /**
   * For so long `users` use all of their credit, and `decliners` none. Who is `slow` has a chunk of it every three seconds.
   *
   * @returns chunks that were sent to each user
   */
  run(sec: number, users: Record<string, number>, decliners: string[] = [], slow?: string): number[] {
    for (let step = 0; step < sec * 10; step++) {
      const declined = decliners.flatMap((peer) =>
        this.rig.sent('grant', peer).map(({ id, bytes }) => ({ peer, id, bytes })),
      );
      for (const [peer, asset] of Object.entries(users)) this.#use(peer, asset);
      this.#takeUploads();
      for (const { peer, id, bytes } of declined) {
        this.rig.says(peer, { type: 'decline', grant: id, bytes, reason: 'nothing-wanted' });
      }
      for (const [peer, sent] of this.#sent) {
        const chunks = peer === slow ? Math.min(sent, Math.ceil(step / 30)) : sent;
        if (chunks > 0) this.rig.says(peer, { type: 'ack', bytes: chunks * Q });
      }
      this.rig.pass(100);
    }
    return Object.keys(users).map((peer) => this.#sent.get(peer) ?? 0);
  }

  #takeUploads(): void {
    for (const action of this.rig.take()) {
      if (action.type !== 'upload') continue;
      this.#sent.set(action.peer, (this.#sent.get(action.peer) ?? 0) + 1);
    }
  }

  #use(peer: string, asset: number): number[] {
    const chunks: number[] = [];
    for (const { id, offer } of this.rig.sent('grant', peer)) {
      if (this.#used.has(`${peer} ${id}`)) continue;
      this.#used.add(`${peer} ${id}`);
      const from = offer?.chunks[0];
      if (from === undefined) continue;
      this.rig.says(peer, { type: 'request', grant: id, asset, runs: [{ from, count: 1 }] });
      chunks.push(from);
    }
    return chunks;
  }
}

describe('Exchange: an origin and who has passed on nothing yet', () => {
  it('gives to those that pass on first', () => {
    const origin = new Origin();
    origin.prove('giver', 'other', 1);
    origin.join('keeper', 1);
    const [keeper = 0, giver = 0] = origin.run(2, { keeper: 1, giver: 1 }, ['other']);
    assert.ok(giver > 2 * keeper, `${giver} and ${keeper}`);
  });

  it('gives all of it to somebody who is alone with it, whoever passes on another asset', () => {
    const origin = new Origin();
    origin.prove('giver', 'other', 2);
    origin.join('alone', 1);
    const [alone = 0] = origin.run(8, { alone: 1, giver: 2 }, ['other']);
    assert.ok(alone >= CHUNKS / 2, `${alone} chunks`);
  });

  it('gives all of it though those who passed on another asset want nothing now', () => {
    const origin = new Origin();
    origin.prove('paused', 'other', 2);
    origin.join('alone', 1);
    const [alone = 0] = origin.run(20, { alone: 1 }, ['paused', 'other']);
    assert.ok(alone >= CHUNKS - 3, `${alone} chunks`);
  });

  it('gives what the uplink has to spare though somebody who passes on takes little', () => {
    const origin = new Origin();
    origin.prove('slow', 'other', 1);
    origin.join('alone', 1);
    const [alone = 0] = origin.run(20, { alone: 1, slow: 1 }, ['other'], 'slow');
    assert.ok(alone >= CHUNKS / 2, `${alone} chunks`);
  });
});
