import assert from 'node:assert/strict';
import { Dialling } from '../../../src/swarm/core/dialling.ts';
import { contactsOf, dialled, Rig } from './exchange-rig.ts';

/** Begins as many as may be. @returns how many */
function fill(dialling: Dialling, nowMs: number, name: string, most = 12): number {
  let begun = 0;
  for (; dialling.mayBegin(nowMs, most); begun++) dialling.begin(`${name}${begun}`, 1, nowMs);
  return begun;
}

/** Dials `count` times, each of which takes so long. */
function answered(dialling: Dialling, count: number, tookMs: number, nowMs = 0): void {
  for (let n = 0; n < count; n++) {
    dialling.begin(`t${n}`, 1, nowMs);
    dialling.connected(`t${n}`, nowMs + tookMs);
  }
}

describe('Dialling', () => {
  it('dials twelve at once, and others in place of what is old', () => {
    const dialling = new Dialling();
    answered(dialling, 10, 100);
    assert.equal(fill(dialling, 10_000, 'a'), 12);
    assert.equal(fill(dialling, 10_999, 'b'), 0);
    assert.equal(fill(dialling, 11_000, 'c'), 12);
    assert.equal(dialling.size, 24);
  });

  it('dials another where one is answered, or fails', () => {
    const dialling = new Dialling();
    fill(dialling, 0, 'a');
    assert.equal(dialling.connected('a3', 10), 1);
    assert.equal(dialling.connected('stranger', 10), undefined);
    dialling.failed('a4');
    assert.equal(fill(dialling, 10, 'b'), 2);
    assert.ok(!dialling.has('a3') && dialling.has('a5'));
  });

  it('dials fewer at once where they take long, and waits for them', () => {
    const dialling = new Dialling();
    answered(dialling, 20, 2000);
    assert.equal(fill(dialling, 10_000, 'a'), 6);
    assert.equal(fill(dialling, 15_000, 'b'), 0);
    assert.equal(fill(dialling, 16_100, 'c'), 6);
    answered(dialling, 20, 100, 20_000);
    assert.ok(fill(dialling, 30_000, 'd') > 6);
  });

  it('never fewer than four', () => {
    const dialling = new Dialling();
    answered(dialling, 20, 20_000);
    assert.equal(fill(dialling, 50_000, 'a'), 4);
  });

  it('dials no more than thirty at a time and ten a second, whoever answers', () => {
    const dialling = new Dialling();
    let begun = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      if (!dialling.mayBegin(nowMs, 12)) continue;
      dialling.begin('a', 1, nowMs);
      dialling.connected('a', nowMs);
      begun++;
    }
    assert.ok(begun >= 120 && begun <= 130, `${begun} dials`);
  });

  it('tells of dials that nobody answered for', () => {
    const dialling = new Dialling();
    dialling.begin('a', 1, 0);
    dialling.begin('b', 1, 20_000);
    assert.deepEqual(dialling.forgotten(30_001), ['a']);
  });
});

describe('Exchange: dials', () => {
  it('are many until there are a dozen neighbours, and then one after another', () => {
    const rig = new Rig().add('..');
    const contacts = contactsOf(...Array.from({ length: 40 }, (_, n) => `p${n}`));
    rig.handle({ type: 'contacts', asset: 1, contacts });
    const first = dialled(rig);
    assert.equal(first.length, 12);
    for (const peer of first.slice(0, 11)) rig.join(peer, '..');
    assert.equal(dialled(rig).length, 0);
    rig.join(first[11]!, '..');
    for (let more = 0; more < 5; more++) {
      const next = dialled(rig);
      assert.equal(next.length, 1);
      rig.join(next[0]!, '..');
    }
  });
});
