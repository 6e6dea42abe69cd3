import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { UploadQueue, type Upload } from '../../../src/swarm/core/upload-queue.ts';

const stamp = { delivered: 0, deliveredAtMs: 0, starved: false };

function upload(chunk: number, bytes = 100): Upload {
  return {
    asset: 1,
    chunk,
    bytes,
    left: bytes,
    dropped: false,
    sentAtMs: 0,
    uplinkStamp: stamp,
    peerStamp: stamp,
  };
}

function queueOf(...chunks: number[]): UploadQueue {
  const queue = new UploadQueue();
  for (const chunk of chunks) queue.push(upload(chunk));
  return queue;
}

describe('UploadQueue', () => {
  it('settles chunks in the order in which they were sent', () => {
    const queue = queueOf(7, 8);
    const acked = queue.ack(150);
    assert.ok(typeof acked === 'object');
    assert.deepEqual(
      acked.arrived.map(({ chunk }) => chunk),
      [7],
    );
    assert.equal(acked.latest.chunk, 8);
    assert.equal(acked.bytes, 150);
    assert.equal(queue.unackedBytes, 50);
    assert.equal(queue.count, 1);
  });

  it('ignores an acknowledgement that says nothing new', () => {
    const queue = queueOf(7);
    queue.ack(60);
    assert.equal(queue.ack(60), undefined);
    assert.equal(queue.ack(10), undefined);
    assert.equal(queue.ack(Number.NaN), undefined);
  });

  it('finds out who acknowledges more than was sent', () => {
    assert.equal(queueOf(7).ack(101), 'false');
  });

  it('accepts the bytes of a dropped chunk that was sent all the same, once', () => {
    const queue = queueOf(7, 8);
    assert.equal(queue.drop(1, 7)?.chunk, 7);
    assert.equal(queue.drop(1, 7), undefined);
    assert.equal(queue.unackedBytes, 100);
    const acked = queue.ack(200);
    assert.ok(typeof acked === 'object');
    assert.deepEqual(
      acked.arrived.map(({ chunk }) => chunk),
      [8],
    );
    assert.equal(queue.ack(200), undefined);
    assert.equal(queue.ack(201), 'false');
  });

  it('tells an acknowledgement of what was dropped alone from one that says nothing new', () => {
    const queue = queueOf(7);
    queue.drop(1, 7);
    assert.equal(queue.ack(60), 'dropped');
    assert.equal(queue.ack(60), undefined);
    assert.equal(queue.ack(100), 'dropped');
    assert.equal(queue.ack(101), 'false');
  });

  it('keeps nothing of what was dropped, where nothing is acknowledged', () => {
    const from = JSON.stringify(import.meta.resolve('../../../src/swarm/core/upload-queue.ts'));
    const script = `
      import { UploadQueue } from ${from};
      const queue = new UploadQueue();
      gc();
      const before = process.memoryUsage().heapUsed;
      for (let chunk = 0; chunk < 100_000; chunk++) {
        queue.push({ asset: 1, chunk, bytes: 100, left: 100, dropped: false });
        queue.drop(1, chunk);
      }
      gc();
      console.log((process.memoryUsage().heapUsed - before) / 100_000, queue.droppedBytes);`;
    const output = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    const [bytesOfEach = NaN, droppedBytes] = output.split(' ').map(Number);
    assert.ok(bytesOfEach < 10, `${bytesOfEach} bytes of each`);
    assert.equal(droppedBytes, 10_000_000);
  });

  it('adds up through any sequence of pushes, drops and acknowledgements', () => {
    const step = fc.record({ what: fc.nat(2), n: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const queue = new UploadQueue();
        const open = new Map<number, Upload>();
        let sent = 0;
        let acked = 0;
        let next = 0;
        for (const { what, n } of steps) {
          if (what === 0) {
            const fresh = upload(next++, n + 1);
            queue.push(fresh);
            open.set(fresh.chunk, fresh);
            sent += n + 1;
          } else if (what === 1) {
            queue.drop(1, n);
            open.delete(n);
          } else {
            acked = Math.min(sent, acked + n);
            const result = queue.ack(acked);
            assert.notEqual(result, 'false');
            if (typeof result === 'object') for (const { chunk } of result.arrived) open.delete(chunk);
          }
          let left = 0;
          for (const one of open.values()) left += one.left;
          assert.equal(queue.unackedBytes, left);
          assert.equal(queue.count, open.size);
        }
      }),
    );
  });
});
