import assert from 'node:assert/strict';
import { USELESS_BURST } from '../../../src/swarm/core/constants.ts';
import type { Event } from '../../../src/swarm/core/events.ts';
import { CARE_MS, LinkCare } from '../../../src/swarm/link-care.ts';
import type { PeerLink } from '../../../src/swarm/peer-link.ts';

/** A link whose peer answers pings until it dies, on a clock of the test's. */
class World {
  nowMs = 0;
  pings = 0;
  endedAtMs: number | undefined;
  isAlive = true;
  /** Something comes on the connection, of which no message is whole. */
  isTrickling = false;
  readonly events: Event[] = [];
  readonly link: PeerLink;
  readonly care: LinkCare;

  constructor() {
    const link = {
      peer: 'a',
      heardAtMs: 0,
      movedAtMs: 0,
      ping: undefined,
      send: (message: { type: string; nonce: number }) => this.#pinged(message.nonce),
      listen: (sinceMs: number) => {
        if (this.isTrickling) this.link.heardAtMs = Math.max(this.link.heardAtMs, sinceMs);
      },
      end: () => (this.endedAtMs = this.nowMs),
      connection: { abort: () => {} },
    };
    this.link = link as unknown as PeerLink;
    this.care = new LinkCare({
      nowMs: () => this.nowMs,
      links: { values: () => [this.link].values() },
      handle: (event) => void this.events.push(event),
    });
  }

  run(ms: number): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs && this.endedAtMs === undefined;) {
      this.nowMs += CARE_MS;
      this.care.tick();
    }
    return this;
  }

  #pinged(nonce: number): void {
    this.pings++;
    if (!this.isAlive) return;
    this.link.heardAtMs = this.nowMs + 40;
    const pingedAtMs = this.nowMs;
    queueMicrotask(() => {
      this.nowMs = Math.max(this.nowMs, pingedAtMs);
      this.care.pong(this.link, nonce);
    });
  }
}

const answered = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the care of links', () => {
  for (const aliveSec of [5, 6, 7, 8, 9, 10]) {
    it(`notices within ten seconds of its last byte that a link is dead (alive for ${aliveSec} s)`, async () => {
      const world = new World();
      for (let sec = 0; sec < aliveSec; sec++) {
        world.run(1000);
        await answered();
      }
      world.isAlive = false;
      const lastByteMs = (world.link.heardAtMs = world.nowMs);
      world.run(60_000);
      assert.ok(
        world.endedAtMs !== undefined && world.endedAtMs - lastByteMs <= 10_000,
        `${world.endedAtMs}`,
      );
    });
  }

  it('pings a link seldom once no chunk has moved for a minute, and as before when one does', async () => {
    const world = new World();
    const pingsIn = async (sec: number): Promise<number> => {
      const before = world.pings;
      for (let n = 0; n < sec; n++) {
        world.run(1000);
        await answered();
      }
      return world.pings - before;
    };
    await pingsIn(62);
    // Each 25 s after its last answer, at a tick: 26 s.
    assert.equal(await pingsIn(300), 11);
    world.link.movedAtMs = world.nowMs;
    assert.equal(await pingsIn(50), 10);
  });

  it('lets no quiet link be silent for half a minute, after which routers forget it', async () => {
    const world = new World();
    let pings = 0;
    let silentSec = 0;
    for (let sec = 0; sec < 600; sec++) {
      world.run(1000);
      await answered();
      silentSec = world.pings > pings ? 0 : silentSec + 1;
      pings = world.pings;
      assert.ok(silentSec < 28, `${silentSec} s`);
    }
  });

  it('asks nothing of a quiet peer that pings by itself', async () => {
    const world = new World();
    for (let sec = 0; sec < 360; sec++) {
      if (sec > 62) world.link.heardAtMs = world.nowMs;
      if (sec === 63) world.pings = 0;
      world.run(1000);
      await answered();
    }
    assert.equal(world.pings, 0);
    assert.equal(world.endedAtMs, undefined);
  });

  it('notices within ten seconds that a quiet link leads nowhere when something is to be asked over it', async () => {
    const world = new World();
    for (let sec = 0; sec < 120; sec++) {
      world.run(1000);
      await answered();
    }
    world.isAlive = false;
    world.run(8000);
    const askedAtMs = world.nowMs;
    world.care.rely(world.link);
    world.run(60_000);
    assert.ok(world.endedAtMs !== undefined && world.endedAtMs - askedAtMs <= 10_000, `${world.endedAtMs}`);
  });

  it('asks nothing of a quiet peer that was heard a moment ago, however often something is asked of it', async () => {
    const world = new World();
    for (let sec = 0; sec < 120; sec++) {
      world.run(1000);
      await answered();
    }
    world.link.heardAtMs = world.nowMs;
    world.pings = 0;
    for (let n = 0; n < 100; n++) world.care.rely(world.link);
    assert.equal(world.pings, 0);
  });

  it('notices that a quiet link is dead', async () => {
    const world = new World();
    for (let sec = 0; sec < 100; sec++) {
      world.run(1000);
      await answered();
    }
    world.isAlive = false;
    world.run(60_000);
    assert.ok(world.endedAtMs !== undefined && world.endedAtMs <= 142_000, `${world.endedAtMs}`);
  });

  it('pings an idle link four times in a row, then every five seconds, and keeps it', async () => {
    const world = new World();
    for (let sec = 0; sec < 60; sec++) {
      world.run(1000);
      await answered();
    }
    assert.equal(world.endedAtMs, undefined);
    assert.equal(world.pings, 15);
    assert.equal(world.events.filter(({ type }) => type === 'rtt').length, 15);
  });

  it('answers a peer that pings far more often than it need, and cuts off one that floods', () => {
    const world = new World();
    world.isAlive = false;
    for (let sec = 0; sec < 600; sec++) {
      world.nowMs += 1000;
      for (let n = 0; n < 50; n++) world.care.pinged(world.link, n);
    }
    assert.equal(world.pings, 600 * 50, 'each is answered');
    const flood = (): void => {
      for (let n = 0; n < USELESS_BURST; n++) world.care.pinged(world.link, n);
    };
    assert.throws(flood, { code: 'ERR_PEER_FLOOD', fault: 'peer' });
  });

  it('cuts off a peer that floods it with answers to no ping', () => {
    const world = new World();
    const flood = (): void => {
      for (let n = 0; n < USELESS_BURST; n++) world.care.pong(world.link, n);
    };
    assert.throws(flood, { code: 'ERR_PEER_FLOOD' });
    assert.deepEqual(world.events, []);
  });

  it('takes data for an answer', () => {
    const world = new World();
    world.isAlive = false;
    for (let sec = 0; sec < 60; sec++) {
      world.link.heardAtMs = world.nowMs;
      world.run(1000);
    }
    assert.equal(world.endedAtMs, undefined);
  });

  it('takes a part of a message for a sign of life, and notices within ten seconds when no more comes', () => {
    const world = new World();
    world.isAlive = false;
    world.isTrickling = true;
    world.run(60_000);
    assert.equal(world.endedAtMs, undefined);
    world.isTrickling = false;
    const lastByteMs = world.nowMs;
    world.run(60_000);
    assert.ok(world.endedAtMs !== undefined && world.endedAtMs - lastByteMs <= 10_000, `${world.endedAtMs}`);
  });

  it('gives a sign of life where the answer stands behind the data of a peer, which hears nothing else', () => {
    const world = new World();
    world.isAlive = false;
    let silentSec = 0;
    for (let sec = 0; sec < 60; sec++) {
      const before = world.pings;
      world.link.movedAtMs = world.link.heardAtMs = world.nowMs;
      world.run(1000);
      silentSec = world.pings > before ? 0 : silentSec + 1;
      assert.ok(silentSec <= 5, `${silentSec} s`);
    }
    assert.equal(world.endedAtMs, undefined);
    // Whoever is gone is not asked again.
    const before = world.pings;
    world.run(60_000);
    assert.ok(world.pings - before <= 1);
    assert.notEqual(world.endedAtMs, undefined);
  });

  it('blames nobody where this process itself stood still', () => {
    const world = new World();
    world.isAlive = false;
    world.run(5000);
    world.nowMs += 30_000;
    world.care.tick();
    assert.equal(world.endedAtMs, undefined);
    world.link.heardAtMs = world.nowMs;
    world.run(5000);
    assert.equal(world.endedAtMs, undefined);
    world.run(10_000);
    assert.notEqual(world.endedAtMs, undefined);
  });

  it('notices within some ten seconds that a quiet link is dead where the peer opens another', async () => {
    const world = new World();
    for (let sec = 0; sec < 100; sec++) {
      world.run(1000);
      await answered();
    }
    const pings = world.pings;
    world.isAlive = false;
    world.care.doubt(world.link);
    world.care.doubt(world.link);
    assert.equal(world.pings, pings + 1);
    const doubtedAtMs = world.nowMs;
    world.run(60_000);
    assert.ok(world.endedAtMs! - doubtedAtMs <= 11_000, String(world.endedAtMs));
  });

  it('does not ask at once on a busy link, which it asks every few seconds', async () => {
    const world = new World();
    world.run(1000);
    await answered();
    const pings = world.pings;
    world.care.doubt(world.link);
    assert.equal(world.pings, pings);
  });
});
