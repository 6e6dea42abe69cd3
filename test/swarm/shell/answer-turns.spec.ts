import assert from 'node:assert/strict';
import { AnswerTurns } from '../../../src/swarm/answer-turns.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';

const LONGEST_MS = 1000;
const LARGE = 33_000;

/** Links named by letters that ask for their turns, on the test's clock. */
class Rig {
  nowMs = 0;
  readonly turns = new AnswerTurns(() => this.nowMs, LONGEST_MS);
  /** Whose turns began, in order; those that ended while they waited, too. */
  begun = '';
  readonly #links = new Map<string, { isEnded: boolean }>();

  link(name: string): PeerLink {
    const link = this.#links.get(name) ?? { isEnded: false };
    this.#links.set(name, link);
    return link as PeerLink;
  }

  async ask(names: string): Promise<this> {
    for (const name of names) void this.turns.begin(this.link(name)).then(() => (this.begun += name));
    return await this.settle();
  }

  /** All that was asked for has been written, and the peers have not said that they have it. */
  async write(names: string, bytes = LARGE, isLast = true): Promise<this> {
    for (const name of names) this.turns.written(this.link(name), bytes, isLast);
    return await this.settle();
  }

  async take(names: string): Promise<this> {
    for (const name of names) this.turns.taken(this.link(name));
    return await this.settle();
  }

  async end(name: string): Promise<this> {
    Object.assign(this.link(name), { isEnded: true });
    this.turns.drop(this.link(name));
    return await this.settle();
  }

  async pass(ms: number): Promise<this> {
    this.nowMs += ms;
    this.turns.tick();
    return await this.settle();
  }

  async settle(): Promise<this> {
    await new Promise((resolve) => setImmediate(resolve));
    return this;
  }
}

describe('turns of answers', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });

  it('go to two links at a time, in the order in which they ask, until each has said that it has its answer', async () => {
    await rig.ask('abcd');
    assert.equal(rig.begun, 'ab');
    await rig.write('ab');
    assert.equal(rig.begun, 'ab');
    await rig.pass(600);
    await rig.take('b');
    assert.equal(rig.begun, 'abc');
    await rig.take('a');
    assert.equal(rig.begun, 'abcd');
  });

  it('go to more links at a time where answers are taken quickly, and to fewer again where they are not', async () => {
    await rig.ask('abcdefghij');
    await rig.write('ab');
    await rig.pass(499);
    await rig.take('ab');
    assert.equal(rig.begun, 'abcdef');
    await rig.write('cdef');
    await rig.pass(500);
    await rig.take('cdef');
    assert.equal(rig.begun, 'abcdefghij');
    await rig.pass(LONGEST_MS);
    await rig.ask('klm');
    assert.equal(rig.begun, 'abcdefghijkl');
  });

  it('end with a small answer, or none, whatever the peer says', async () => {
    await rig.ask('abcd');
    await rig.write('a', 4095);
    await rig.write('b', 0);
    assert.equal(rig.begun, 'abcd');
  });

  it('end with each batch while more is asked for, and the link goes to the end of the line', async () => {
    await rig.ask('abc');
    await rig.write('a', LARGE, false);
    assert.equal(rig.begun, 'abc');
    await rig.ask('ad');
    await rig.write('b', LARGE, false);
    await rig.write('c', LARGE, false);
    assert.equal(rig.begun, 'abcad');
  });

  it('are not ended by what a peer says before it has been answered', async () => {
    await rig.ask('abc');
    await rig.take('ab');
    assert.equal(rig.begun, 'ab');
  });

  it('wait for a silent peer once only, and it for its own as ever', async () => {
    await rig.ask('abc');
    await rig.write('ab');
    await rig.pass(LONGEST_MS - 1);
    assert.equal(rig.begun, 'ab');
    await rig.pass(1);
    assert.equal(rig.begun, 'abc');
    await rig.ask('dae');
    assert.equal(rig.begun, 'abcd', 'a waits behind c and d');
    await rig.write('c', 0);
    assert.equal(rig.begun, 'abcdae', 'nobody waits for a');
  });

  it('end when writing takes the longest, too', async () => {
    await rig.ask('abc');
    await rig.pass(LONGEST_MS);
    assert.equal(rig.begun, 'abc');
  });

  it('are left by links that end, in their turn and while they wait', async () => {
    await rig.ask('abcde');
    await rig.write('a');
    await rig.end('c');
    assert.equal(rig.begun, 'abc', 'it waits no longer');
    await rig.end('a');
    assert.equal(rig.begun, 'abcd');
    await rig.end('b');
    assert.equal(rig.begun, 'abcde');
    await rig.end('d');
    await rig.end('e');
    assert.ok(rig.turns.isIdle);
  });

  it('are not given to a link that has ended', async () => {
    await rig.end('a');
    await rig.ask('a');
    assert.equal(rig.begun, 'a');
    assert.ok(rig.turns.isIdle);
  });

  it('come after two of the longest ones, however many silent links are before', async () => {
    await rig.ask('abcdefghijklmnopqrstuvwxyz');
    await rig.pass(LONGEST_MS);
    await rig.pass(LONGEST_MS - 1);
    assert.equal(rig.begun, 'abcd');
    await rig.pass(1);
    assert.equal(rig.begun.length, 26);
  });

  it('are waited for a tenth of the time in the long run', async () => {
    await rig.ask('abz');
    // New links take both turns again and again, and z asks for the next as soon as it has had one.
    let heldUpMs = 0;
    let asked = 1;
    for (let n = 0; n < 1000; n++) {
      await rig.ask(String.fromCodePoint(1000 + n));
      if (rig.begun.split('z').length === asked) heldUpMs += 50;
      await rig.pass(50);
      if (rig.begun.split('z').length === asked) continue;
      await rig.write('z', LARGE, false);
      await rig.ask('z');
      asked++;
    }
    assert.ok(heldUpMs > 2 * LONGEST_MS, `${heldUpMs} ms`);
    assert.ok(heldUpMs < 2 * LONGEST_MS + 50_000 / 8, `${heldUpMs} ms`);
  });
});
