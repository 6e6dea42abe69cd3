import assert from 'node:assert/strict';
import { KeyLock } from '../../src/store/key-lock.ts';

describe('Who waits for a key', () => {
  it('may give up, and nobody comes earlier for that', async () => {
    const lock = new KeyLock();
    const stop = new AbortController();
    const order: string[] = [];
    const held = Promise.withResolvers<void>();
    const first = lock.run('a', async () => {
      await held.promise;
      order.push('first');
    });
    const second = lock.run('a', async () => void order.push('second'), stop.signal);
    const third = lock.run('a', async () => void order.push('third'));
    stop.abort(new Error('waited enough'));
    await assert.rejects(second, /waited enough/);
    // It would run now, if it could.
    await new Promise(setImmediate);
    held.resolve();
    await Promise.all([first, third]);
    assert.deepEqual(order, ['first', 'third']);
    await lock.idle();
  });

  it('gets what came of what has begun, aborted or not', async () => {
    const lock = new KeyLock();
    const stop = new AbortController();
    const running = lock.run(
      'a',
      async () => {
        stop.abort(new Error('too late'));
        return 'result';
      },
      stop.signal,
    );
    assert.equal(await running, 'result');
    await lock.idle();
  });
});
