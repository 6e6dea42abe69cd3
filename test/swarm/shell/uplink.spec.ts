import assert from 'node:assert/strict';
import { TokenBucket } from '../../../src/swarm/token-bucket.ts';
import { Uplink, type Upload, type UplinkHost } from '../../../src/swarm/uplink.ts';

const KIB = 1024;

/** An uplink whose sockets and reads the test holds in its hands. What happens is written as `peer:chunk@offset+length`. */
function world(overrides: Partial<UplinkHost> = {}) {
  const log: string[] = [];
  const full = new Set<string>();
  const uplink = new Uplink({
    nowMs: () => 0,
    read: async ({ size }) => new Uint8Array(size),
    send: ({ peer, chunk }, offset, piece) => {
      log.push(`${peer}:${chunk}@${offset}+${piece.byteLength}`);
      return !full.has(peer);
    },
    onSent: ({ peer, chunk }) => void log.push(`${peer}:${chunk} sent`),
    onFailed: ({ peer, chunk }) => void log.push(`${peer}:${chunk} failed`),
    isAlone: () => true,
    isStuck: () => false,
    ...overrides,
  });
  const add = (peer: string, chunk: number, size = 64 * KIB, first = false): void =>
    uplink.add({ peer, asset: 1, chunk, size, first });
  return { uplink, log, full, add };
}

/** Lets everything that is already resolved run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('uplink', () => {
  it('sends whole chunks in the order they were added', async () => {
    const { log, add } = world();
    add('a', 1);
    add('b', 2);
    add('a', 3);
    await settle();
    assert.deepEqual(
      log.filter((line) => line.endsWith('sent')),
      ['a:1 sent', 'b:2 sent', 'a:3 sent'],
    );
  });

  it('sends a chunk that nobody has yet before all that have not begun, however much was read ahead', async () => {
    const { uplink, log, full, add } = world();
    full.add('a');
    for (const chunk of [1, 2, 3, 4]) add('a', chunk, 1024 * KIB);
    await settle();
    add('a', 5, 1024 * KIB, true);
    add('a', 6, 1024 * KIB, true);
    await settle();
    full.clear();
    uplink.drained('a');
    await settle();
    assert.deepEqual(
      log.filter((line) => line.endsWith('sent')),
      ['a:1 sent', 'a:5 sent', 'a:6 sent', 'a:2 sent', 'a:3 sent', 'a:4 sent'],
    );
  });

  it('sends what has waited for three seconds in its turn all the same', async () => {
    let nowMs = 0;
    const { uplink, log, full, add } = world({ nowMs: () => nowMs });
    full.add('a').add('b');
    add('a', 1);
    add('a', 2);
    add('b', 3);
    nowMs = 3001;
    add('a', 4, 64 * KIB, true);
    add('b', 5, 64 * KIB, true);
    await settle();
    full.clear();
    uplink.drained('b');
    uplink.drained('a');
    await settle();
    assert.deepEqual(
      log.filter((line) => line.endsWith('sent')),
      ['a:1 sent', 'b:3 sent', 'b:5 sent', 'a:2 sent', 'a:4 sent'],
    );
  });

  it('passes over a peer whose socket is full until it drains', async () => {
    const { uplink, log, full, add } = world();
    full.add('a');
    add('a', 1);
    add('a', 2);
    add('b', 3);
    await settle();
    assert.ok(!log.includes('a:2@0+65536'));
    assert.ok(log.includes('b:3 sent'));
    full.clear();
    uplink.drained('a');
    assert.ok(log.includes('a:2 sent'));
  });

  it('reads no more at a time for a peer that takes back all that it asks for, and goes on when that is read', async () => {
    const reads: PromiseWithResolvers<Uint8Array>[] = [];
    const { uplink, log, add } = world({
      read: () => {
        reads.push(Promise.withResolvers());
        return (reads.at(-1) as PromiseWithResolvers<Uint8Array>).promise;
      },
    });
    for (let chunk = 0; chunk < 1000; chunk++) {
      add('a', chunk, 1024 * KIB);
      uplink.cancel('a', 1, chunk);
    }
    assert.ok(reads.length <= 5, `${reads.length} at once`);
    add('a', 1000);
    for (const read of reads.splice(0)) read.resolve(new Uint8Array(1024 * KIB));
    await settle();
    for (const read of reads) read.resolve(new Uint8Array(64 * KIB));
    await settle();
    assert.deepEqual(log, ['a:1000@0+65536', 'a:1000 sent']);
  });

  it('keeps the order of one peer when a later read is done first', async () => {
    const slow = Promise.withResolvers<Uint8Array>();
    const { log, add } = world({
      read: ({ chunk, size }) => (chunk === 1 ? slow.promise : Promise.resolve(new Uint8Array(size))),
    });
    add('a', 1);
    add('a', 2);
    await settle();
    assert.equal(log.length, 0);
    slow.resolve(new Uint8Array(64 * KIB));
    await settle();
    assert.deepEqual(
      log.filter((line) => line.endsWith('sent')),
      ['a:1 sent', 'a:2 sent'],
    );
  });

  it('reads no more than 16 MiB ahead, and 2 MiB for one peer', async () => {
    let reading = 0;
    const { full, add } = world({
      read: async ({ size }) => {
        reading += size;
        return new Promise(() => {});
      },
    });
    full.add('a');
    for (let chunk = 0; chunk < 10; chunk++) add('a', chunk, 1024 * KIB);
    assert.equal(reading, 2048 * KIB);
    for (let peer = 0; peer < 20; peer++) add(`p${peer}`, 1, 1024 * KIB);
    assert.equal(reading, 16 * 1024 * KIB);
  });

  it('reads for others, however much lies ready for peers that are stuck', async () => {
    const stuck = new Set<string>();
    const { uplink, log, full, add } = world({ isAlone: () => false, isStuck: (peer) => stuck.has(peer) });
    for (let n = 0; n < 8; n++) {
      full.add(`cut off ${n}`);
      for (const chunk of [1, 2, 3]) add(`cut off ${n}`, chunk, 1024 * KIB);
    }
    add('a', 1);
    await settle();
    assert.ok(!log.some((line) => line.startsWith('a:')));
    for (const peer of full) stuck.add(peer);
    uplink.retry();
    await settle();
    assert.deepEqual(
      log.filter((line) => line.startsWith('a:')),
      ['a:1@0+32768'],
    );
  });

  it('drops what was cancelled before it began, and finishes what has begun', async () => {
    const { uplink, log, full, add } = world();
    full.add('a');
    uplink.setLimit(16 * KIB);
    add('a', 1, 64 * KIB);
    add('a', 2, 64 * KIB);
    await settle();
    assert.deepEqual(log, ['a:1@0+16384']);
    uplink.cancel('a', 1, 1);
    uplink.cancel('a', 1, 2);
    uplink.setLimit(undefined);
    full.clear();
    uplink.drained('a');
    await settle();
    assert.deepEqual(log, ['a:1@0+16384', 'a:1@16384+49152', 'a:1 sent']);
  });

  it('tells of a chunk that cannot be read, and goes on', async () => {
    const { log, add } = world({
      read: async ({ chunk, size }: Upload) => {
        if (chunk === 1) throw new Error('gone');
        return new Uint8Array(size);
      },
    });
    add('a', 1);
    add('a', 2);
    await settle();
    assert.deepEqual(log, ['a:1 failed', 'a:2@0+65536', 'a:2 sent']);
  });

  it('forgets a peer that is gone, whatever is being read for it', async () => {
    const { uplink, log, add } = world();
    add('a', 1);
    uplink.drop('a');
    await settle();
    assert.deepEqual(log, []);
    add('a', 2);
    await settle();
    assert.deepEqual(log, ['a:2@0+65536', 'a:2 sent']);
  });

  it('writes no more than a window for each of several peers, in their order, and goes on as they acknowledge', async () => {
    const { uplink, log, add } = world({ isAlone: () => false });
    add('a', 1);
    add('b', 2);
    await settle();
    assert.deepEqual(log.splice(0), ['a:1@0+32768', 'b:2@0+32768']);
    uplink.acked('a', 10 * KIB, undefined);
    assert.deepEqual(log.splice(0), []);
    uplink.acked('a', 32 * KIB, undefined);
    assert.deepEqual(log.splice(0), ['a:1@32768+32768', 'a:1 sent']);
    uplink.acked('b', 32 * KIB, undefined);
    assert.deepEqual(log.splice(0), ['b:2@32768+32768', 'b:2 sent']);
  });

  it('writes no more than a window for all, without what lies before a peer that is stuck', async () => {
    const stuck = new Set<string>();
    const { uplink, log, add } = world({ isAlone: () => false, isStuck: (peer) => stuck.has(peer) });
    for (const peer of ['a', 'b', 'c', 'd', 'e']) add(peer, 1);
    await settle();
    assert.deepEqual(log.splice(0), ['a:1@0+32768', 'b:1@0+32768', 'c:1@0+32768', 'd:1@0+32768']);
    stuck.add('a');
    uplink.retry();
    assert.deepEqual(log.splice(0), ['e:1@0+32768']);
  });

  it('keeps no room for peers that acknowledge nothing for seconds', async () => {
    let nowMs = 0;
    const { uplink, log, add } = world({ isAlone: () => false, nowMs: () => nowMs });
    for (const peer of ['a', 'b', 'c', 'd', 'e']) add(peer, 1);
    await settle();
    assert.equal(log.splice(0).length, 4);
    nowMs = 3001;
    uplink.retry();
    assert.deepEqual(log.splice(0), ['e:1@0+32768']);
  });

  it('holds to a limit where there is one, and to no window', async () => {
    const { uplink, log, add } = world({ isAlone: () => false });
    uplink.setLimit(10_000_000);
    add('a', 1, 1024 * KIB);
    await settle();
    // Its burst: 50 ms, in pieces of 64 KiB.
    assert.equal(log.length, 7);
    uplink.stop();
  });

  it('writes all that its socket takes to a peer that is alone', async () => {
    const { log, add } = world();
    add('a', 1, 1024 * KIB);
    await settle();
    assert.deepEqual(log, ['a:1@0+1048576', 'a:1 sent']);
  });

  it('sends the chunk of an empty leaf', async () => {
    const { log, add } = world();
    add('a', 1, 0);
    await settle();
    assert.deepEqual(log, ['a:1@0+0', 'a:1 sent']);
  });

  it('survives a send that ends the link', async () => {
    const lost = world({
      send: ({ peer }) => {
        lost.uplink.drop(peer);
        return false;
      },
    });
    lost.add('a', 1);
    lost.add('a', 2);
    await settle();
    assert.ok(!lost.log.includes('a:2 sent'));
  });
});

describe('token bucket', () => {
  it('never gives more than the rate allows, and gives all of it', () => {
    const bucket = new TokenBucket(1000, 50, 0);
    let taken = 0;
    for (let nowMs = 0; nowMs <= 1000; nowMs++) while (bucket.take(nowMs, 10) === 0) taken += 10;
    assert.equal(taken, 1050);
  });

  it('says how long to wait', () => {
    const bucket = new TokenBucket(1000, 50, 0);
    assert.equal(bucket.take(0, 50), 0);
    assert.equal(bucket.take(0, 20), 20);
    assert.equal(bucket.take(20, 20), 0);
  });

  it('saves up no more than the burst', () => {
    const bucket = new TokenBucket(1000, 50, 0);
    assert.equal(bucket.take(60_000, 50), 0);
    assert.equal(bucket.take(60_000, 50), 50);
  });
});
