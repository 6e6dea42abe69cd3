import assert from 'node:assert/strict';
import { BROKEN_PROMISES, USELESS_BURST } from '../../../src/swarm/core/constants.ts';
import type { Message } from '../../../src/swarm/core/messages.ts';
import { Conduct } from '../../../src/swarm/core/scoring.ts';
import { haveOf, Q, Rig } from './exchange-rig.ts';

const MANY = 4000;
const ALL = 'x'.repeat(MANY);
const NONE = '.'.repeat(MANY);

describe('the conduct of a peer', () => {
  it('allows for so many useless messages at once, and so many a second', () => {
    const conduct = new Conduct(0);
    for (let i = 1; i < USELESS_BURST; i++) assert.equal(conduct.wasted(0, 'HAVE'), undefined);
    assert.equal(conduct.wasted(10_000, 'HAVE', 1000), undefined);
    assert.equal(conduct.wasted(10_000, 'HAVE', 1)?.code, 'ERR_PEER_FLOOD');
  });

  it('allows for more the more chunks go either way', () => {
    const conduct = new Conduct(0);
    for (let i = 0; i < 100_000; i++) {
      assert.equal(conduct.wasted(0, 'GRANT'), undefined);
      conduct.kept(1);
    }
  });

  it('counts promises that break together as one, and none once a chunk came', () => {
    const conduct = new Conduct(0);
    for (let i = 0; i < 1000; i++) assert.equal(conduct.brokePromise(1000 + i), undefined);
    assert.equal(conduct.broken, 1);
    conduct.kept(1);
    for (let i = 0; i < BROKEN_PROMISES; i++) assert.equal(conduct.brokePromise(20_000 * (i + 1)), undefined);
    assert.equal(conduct.brokePromise(20_000 * 7)?.code, 'ERR_PEER_BROKEN_PROMISES');
  });

  it('counts promises that break together as one, though the link ends between them', () => {
    let conduct = new Conduct(0);
    for (let nowMs = 1000; nowMs < 10_000; nowMs += 1000) {
      assert.equal(conduct.brokePromise(nowMs), undefined);
      conduct = new Conduct(nowMs, conduct.past(nowMs));
    }
    assert.equal(conduct.broken, 1);
  });

  it('outlives a link, but not ten minutes', () => {
    const conduct = new Conduct(0);
    for (let i = 0; i < BROKEN_PROMISES; i++) conduct.brokePromise(i * 10_000);
    conduct.wasted(60_000, 'HAVE', USELESS_BURST - 1);
    const past = conduct.past(60_000);
    assert.equal(new Conduct(61_000, past).brokePromise(61_000)?.code, 'ERR_PEER_BROKEN_PROMISES');
    assert.equal(new Conduct(61_000, past).wasted(61_000, 'HAVE', 200)?.code, 'ERR_PEER_FLOOD');
    const later = new Conduct(700_000, past);
    assert.equal(later.brokePromise(700_000), undefined);
    assert.equal(later.wasted(700_000, 'HAVE', 200), undefined);
  });
});

/** A downloader with a bad peer, which grants a chunk every second, and a good one, which holds all and is not asked. */
class Victim {
  readonly rig = new Rig().add(NONE).join('bad', ALL).join('good', ALL);
  /** Bytes that were asked of the bad peer at most at once. */
  mostHeld = 0;
  /** Chunks asked of it. */
  asked: number[] = [];
  #grant = 1;

  /** Runs until the bad peer is dropped. @returns the seconds it took, and the code */
  play(answer: (rig: Rig, chunk: number) => void, limitSec = 600): { sec: number; code: string | undefined } {
    this.rig.take();
    for (let sec = 0; sec < limitSec; sec++) {
      this.rig.grants('bad', this.#grant++);
      const chunks = this.rig.sent('request', 'bad').flatMap(({ runs }) => runs.map(({ from }) => from));
      this.asked.push(...chunks);
      this.mostHeld = Math.max(this.mostHeld, this.rig.exchange.inFlightBytes);
      for (const chunk of chunks) answer(this.rig, chunk);
      const [code] = this.rig.faults();
      if (code) return { sec, code };
      this.rig.take();
      this.rig.pass(1000);
      const [late] = this.rig.faults();
      if (late) return { sec, code: late };
    }
    return { sec: limitSec, code: undefined };
  }
}

/** The bad peer grants credit and then rejects what it is asked for, twice. */
function breakTwoPromises(rig: Rig): void {
  for (const id of [1, 2]) {
    rig.grants('bad', id);
    const chunk = rig.sent('request', 'bad').at(-1)!.runs[0]!.from;
    rig.says('bad', { type: 'reject', asset: 1, chunk, reason: 'no-credit' }).pass(10_000).take();
  }
}

describe('Exchange: peers that break their promises', () => {
  it('drops one that grants credit and never sends, which holds up a few chunks for a while', () => {
    const victim = new Victim();
    const { sec, code } = victim.play(() => {});
    assert.equal(code, 'ERR_PEER_BROKEN_PROMISES');
    assert.ok(sec <= 180, `dropped after ${sec} s`);
    assert.ok(victim.mostHeld <= 2 * 1024 * 1024, `it held ${victim.mostHeld} bytes`);
    assert.ok(victim.asked.length <= 64, `it was asked for ${victim.asked.length} chunks`);
    assert.equal(victim.rig.exchange.inFlightBytes, 0);
  });

  for (const reason of ['no-credit', 'missing', 'cancelled'] as const) {
    it(`drops one that grants credit and rejects each request (${reason})`, () => {
      const victim = new Victim();
      const { sec, code } = victim.play((rig, chunk) =>
        rig.says('bad', { type: 'reject', asset: 1, chunk, reason }),
      );
      assert.equal(code, 'ERR_PEER_BROKEN_PROMISES');
      assert.ok(sec <= 70, `dropped after ${sec} s`);
      assert.ok(victim.mostHeld <= Q, `it held ${victim.mostHeld} bytes`);
    });
  }

  it('drops nobody whose credit had run out when the request came, behind the chunks of a slow uplink', () => {
    const rig = new Rig().add('.'.repeat(60)).join('slow', 'x'.repeat(60));
    for (let id = 1; id <= 20; id++) {
      rig.take();
      rig.grants('slow', id);
      const [chunk] = rig.asked('slow');
      assert.ok(chunk !== undefined, 'it is asked again');
      rig.pass(9000);
      rig.says('slow', { type: 'reject', asset: 1, chunk, reason: 'no-credit' });
      rig.pass(4000);
      assert.deepEqual(rig.faults(), []);
    }
  });

  it('drops nobody where a ping takes seconds, too, behind what both send over slow uplinks', () => {
    const rig = new Rig().add('.'.repeat(60)).join('slow', 'x'.repeat(60));
    for (let id = 1; id <= 20; id++) {
      rig.handle({ type: 'rtt', peer: 'slow', rttMs: 12_000 }).take();
      rig.grants('slow', id).pass(30_000);
      assert.deepEqual(rig.faults(), []);
      assert.equal(rig.exchange.inFlightBytes, 0, 'it is asked of somebody else all the same');
    }
  });

  it('drops one that announces again and again what it then rejects', () => {
    const victim = new Victim();
    const { code } = victim.play((rig, chunk) => {
      rig.says('bad', { type: 'reject', asset: 1, chunk, reason: 'missing' });
      rig.says('bad', { type: 'have', asset: 1, chunks: [chunk] });
    });
    assert.equal(code, 'ERR_PEER_BROKEN_PROMISES');
  });

  it('drops one that sends a byte now and then, which holds up no chunk for more than two minutes', () => {
    let longest = 0;
    const trickler = new Rig().add(NONE).join('bad', ALL).join('good', ALL);
    const since = new Map<number, number>();
    let id = 1;
    let dropped: string | undefined;
    for (let sec = 0; sec < 1800 && !dropped; sec++) {
      trickler.grants('bad', id++);
      // Credit that comes now and then is what makes it worth while to give up on the other.
      if (sec % 5 === 0) trickler.grants('good', id++);
      for (const { runs } of trickler.sent('request', 'good')) trickler.sends('good', runs[0]!.from);
      for (const { runs } of trickler.sent('request', 'bad')) since.set(runs[0]!.from, trickler.nowMs);
      trickler.take();
      for (const chunk of [...since.keys()].slice(0, 1)) {
        if (!trickler.exchange.expects('bad', 1, chunk)) continue;
        trickler.handle({ type: 'data', peer: 'bad', asset: 1, chunk, bytes: 1, last: false });
      }
      trickler.pass(1000);
      for (const [chunk, atMs] of since) {
        if (trickler.exchange.expects('bad', 1, chunk)) longest = Math.max(longest, trickler.nowMs - atMs);
        else since.delete(chunk);
      }
      dropped = trickler.faults()[0];
    }
    assert.equal(dropped, 'ERR_PEER_BROKEN_PROMISES');
    assert.ok(longest <= 120_000, `a chunk was held up for ${longest} ms`);
    assert.equal(trickler.exchange.inFlightBytes, 0);
  });

  it('does not forget them over a reconnect', () => {
    const victim = new Victim();
    const { rig } = victim;
    victim.play((r, chunk) => r.says('bad', { type: 'reject', asset: 1, chunk, reason: 'missing' }), 45);
    assert.deepEqual(rig.faults(), []);
    rig.handle({ type: 'gone', peer: 'bad' });
    rig.join('bad', ALL);
    const { sec, code } = victim.play((r, chunk) =>
      r.says('bad', { type: 'reject', asset: 1, chunk, reason: 'missing' }),
    );
    assert.equal(code, 'ERR_PEER_BROKEN_PROMISES');
    assert.ok(sec <= 25, `dropped after ${sec} s more`);
  });

  it('asks a doubted peer for one chunk at a time, and for none of the last ones', () => {
    const rig = new Rig().add(NONE).join('bad', ALL).join('good', ALL);
    breakTwoPromises(rig);
    rig.grants('bad', 3, 8 * Q);
    assert.equal(rig.sent('request', 'bad').length, 1);
    assert.equal(rig.sent('request', 'bad')[0]!.runs[0]!.count, 1);
    rig.take();
    const few = new Rig().add('....').join('bad', 'xxxx').join('good', 'xxxx');
    breakTwoPromises(few);
    few.grants('good', 1);
    for (const { runs } of few.sent('request', 'good')) few.sends('good', runs[0]!.from);
    few.take();
    few.grants('bad', 3);
    assert.deepEqual(few.sent('request', 'bad'), []);
  });

  it('asks a doubted peer all the same where those that have the chunk too give no credit', () => {
    const few = new Rig().add('....').join('bad', 'xxxx').join('rider', 'xxxx');
    breakTwoPromises(few);
    few.grants('bad', 3);
    assert.equal(few.sent('request', 'bad').length, 1);
  });
});

describe('Exchange: peers that flood', () => {
  /** Plays a message over and over. @returns how many until the peer is dropped, and how many messages went out for them */
  function flood(
    rig: Rig,
    next: (i: number) => Message,
    perSec = 1_000_000,
  ): { count: number; answers: number } {
    rig.take();
    let answers = 0;
    for (let i = 1; i <= 40_000; i++) {
      rig.nowMs += 1000 / perSec;
      rig.exchange.handle(rig.nowMs, { type: 'message', peer: 'bad', message: next(i) });
      for (let action = rig.exchange.poll(); action; action = rig.exchange.poll()) {
        if (action.type === 'send') answers++;
        if (action.type === 'misbehaved') {
          assert.equal(action.code, 'ERR_PEER_FLOOD');
          rig.exchange.checkInvariants();
          return { count: i, answers };
        }
      }
    }
    return { count: Infinity, answers };
  }

  const downloader = () => new Rig().add('x' + '.'.repeat(63)).join('bad', 'x'.repeat(32) + '.'.repeat(32));
  const server = () => new Rig().add('x'.repeat(64)).join('bad', '.'.repeat(64));
  const floods: [string, () => Rig, (i: number) => Message][] = [
    ['HAVE of what it announced before', downloader, () => ({ type: 'have', asset: 1, chunks: [3] })],
    ['empty HAVE', downloader, () => ({ type: 'have', asset: 1, chunks: [] })],
    ['credit that nobody can use', server, (id) => ({ type: 'grant', id, bytes: Q, leaseMs: 1000 })],
    ['credit of nothing', downloader, (id) => ({ type: 'grant', id, bytes: 0, leaseMs: 1000 })],
    [
      'DECLINE of credit it has not',
      server,
      () => ({ type: 'decline', grant: 77, bytes: Q, reason: 'busy' }),
    ],
    ['CANCEL of what it did not ask for', server, () => ({ type: 'cancel', asset: 1, chunk: 5 })],
    [
      'REJECT of what it was not asked for',
      downloader,
      () => ({ type: 'reject', asset: 1, chunk: 5, reason: 'missing' }),
    ],
    ['PEERS', downloader, () => ({ type: 'peers', asset: 1, contacts: [], progress: 0 })],
    ['LEAVE', downloader, () => ({ type: 'leave', asset: 1 })],
    ['ACK of nothing new', server, () => ({ type: 'ack', bytes: 0 })],
    ['JOIN', downloader, () => ({ type: 'join', asset: 1, have: { kind: 'none' }, reply: true })],
    [
      'REQUEST without credit',
      server,
      (i) => ({ type: 'request', grant: 99, asset: 1, runs: [{ from: i % 64, count: 1 }] }),
    ],
  ];
  for (const [what, rig, next] of floods) {
    it(`are dropped: ${what}`, () => {
      const { count, answers } = flood(rig(), next);
      assert.ok(count <= 5000, `${count} messages`);
      assert.ok(answers <= 5000, `${answers} messages went out for them`);
    });
  }

  it('are dropped: requests of many chunks of an asset they are no part of', () => {
    const rig = server().says('bad', { type: 'leave', asset: 1 });
    const runs = [{ from: 0, count: 64 }];
    const { count, answers } = flood(rig, () => ({ type: 'request', grant: 1, asset: 1, runs }));
    assert.ok(count <= 70 && answers <= 5000, `${count} messages, ${answers} answers`);
  });

  it('cost no more than a hundred messages a second below that', () => {
    const { count } = flood(downloader(), () => ({ type: 'have', asset: 1, chunks: [3] }), 90);
    assert.equal(count, Infinity);
    assert.ok(flood(downloader(), () => ({ type: 'have', asset: 1, chunks: [3] }), 200).count < 10_000);
  });
});

describe('Exchange: honest peers in trouble', () => {
  it('keeps one that stalls for ten seconds with much under way, over and over', () => {
    const rig = new Rig().add(NONE).join('slow', ALL).join('good', ALL);
    let id = 1;
    for (let round = 0; round < 30; round++) {
      for (let i = 0; i < 8; i++) rig.grants('slow', id++);
      const chunks = rig.sent('request', 'slow').flatMap(({ runs }) => runs.map(({ from }) => from));
      rig.take();
      rig.pass(12_000);
      // What was given up arrives late, and the rest in time.
      for (const chunk of chunks) {
        const isAwaited = rig.exchange.expects('slow', 1, chunk);
        rig.handle({ type: 'data', peer: 'slow', asset: 1, chunk, bytes: Q, last: true });
        if (isAwaited) rig.handle({ type: 'verified', peer: 'slow', asset: 1, chunk });
      }
      rig.grants('slow', id++);
      for (const { runs } of rig.sent('request', 'slow')) rig.sends('slow', runs[0]!.from);
      assert.deepEqual(rig.faults(), []);
      rig.take();
    }
  });

  it('keeps one whose file changed, and that rejects all it is asked for', () => {
    const rig = new Rig().add(NONE).join('changed', ALL).join('good', ALL);
    for (let id = 1; id <= 1000; id++) {
      rig.grants('changed', id);
      for (const { runs } of rig.sent('request', 'changed')) {
        rig.says('changed', { type: 'reject', asset: 1, chunk: runs[0]!.from, reason: 'failed' });
      }
      assert.deepEqual(rig.faults(), []);
      rig.take().length = 0;
      rig.nowMs += 100;
    }
  });

  it('keeps one that leaves with much under way, and comes back', () => {
    const rig = new Rig().add(NONE).join('a', ALL);
    for (let id = 1, round = 0; round < 20; round++) {
      for (let i = 0; i < 30; i++) rig.grants('a', id++);
      for (const { runs } of rig.sent('request', 'a')) {
        rig.says('a', { type: 'reject', asset: 1, chunk: runs[0]!.from, reason: 'missing' });
      }
      rig.says('a', { type: 'leave', asset: 1 }).take();
      rig.pass(15_000);
      rig.says('a', { type: 'join', asset: 1, have: haveOf(ALL), reply: false });
      rig.grants('a', id++);
      for (const { runs } of rig.sent('request', 'a')) rig.sends('a', runs[0]!.from);
      assert.deepEqual(rig.faults(), []);
    }
  });

  const useless: [string, Partial<Extract<Message, { type: 'grant' }>>][] = [
    ['that buys no chunk', { bytes: Q }],
    ['whose lease is over', { leaseMs: 0 }],
    ['for another asset', { only: 2 }],
  ];
  for (const [what, credit] of useless) {
    it(`waits for a slow one where who else has the chunk gives credit ${what}`, () => {
      const rig = new Rig().add('..', { sizes: new Uint32Array(2).fill(2 * Q) });
      rig
        .join('slow', 'xx')
        .join('useless', 'xx')
        .grants('slow', 1, 2 * Q);
      const [chunk] = rig.asked('slow') as [number];
      for (let id = 1; id < 40; id++) {
        rig.says('useless', { type: 'grant', id, bytes: 2 * Q, leaseMs: 1000, ...credit });
        for (const taken of rig.asked('useless')) rig.sends('useless', taken);
        rig.pass(3000).handle({ type: 'data', peer: 'slow', asset: 1, chunk, bytes: 1000, last: false });
      }
      assert.deepEqual(rig.sent('cancel', 'slow'), []);
    });
  }

  it('keeps one on a link of 2 kB/s, though others have what it sends', () => {
    const rig = new Rig().add(NONE).join('slow', ALL).join('good', ALL);
    let id = 1;
    let chunk: number | undefined;
    let sent = 0;
    let whole = 0;
    for (let sec = 0; sec < 900; sec++) {
      if (chunk === undefined) {
        rig.grants('slow', id++);
        chunk = rig.sent('request', 'slow')[0]?.runs[0]?.from;
        sent = 0;
      }
      rig.take();
      rig.pass(1000);
      assert.deepEqual(rig.faults(), []);
      if (chunk === undefined) continue;
      if (!rig.exchange.expects('slow', 1, chunk)) {
        chunk = undefined;
        continue;
      }
      const bytes = Math.min(2000, Q - sent);
      sent += bytes;
      rig.handle({ type: 'data', peer: 'slow', asset: 1, chunk, bytes, last: sent === Q });
      if (sent < Q) continue;
      rig.handle({ type: 'verified', peer: 'slow', asset: 1, chunk });
      whole++;
      chunk = undefined;
    }
    assert.ok(whole > 10, `${whole} chunks in a quarter of an hour`);
  });
});
