import assert from 'node:assert/strict';
import type { Startable } from '@libp2p/interface';
import { listenAnew } from '../../src/node/local-discovery.ts';

/** Notes what is done to it. */
class Discovery implements Startable {
  readonly did: string[] = [];
  onStart = (): void => {};

  async start(): Promise<void> {
    this.did.push('start');
    this.onStart();
  }

  async stop(): Promise<void> {
    this.did.push('stop');
  }
}

describe('what listens on the local network', () => {
  it('begins anew when the network cards are others, and only then', async () => {
    const discovery = new Discovery();
    let cards = 'eth0 10.0.0.1';
    let looks = 0;
    const { promise: looked, resolve } = Promise.withResolvers<void>();
    listenAnew(discovery, {
      lookMs: 1,
      cards: () => {
        // Gone at the third look, and back with the same address at the fifth.
        looks++;
        if (looks === 3) cards = '';
        if (looks === 5) cards = 'eth0 10.0.0.1';
        if (looks === 8) resolve();
        return cards;
      },
    });
    await discovery.start();
    await looked;
    await discovery.stop();
    assert.deepEqual(discovery.did, ['start', 'stop', 'start', 'stop', 'start', 'stop']);
  });

  it('does not begin anew once it was stopped', async () => {
    const discovery = new Discovery();
    let looks = 0;
    listenAnew(discovery, { lookMs: 1, cards: () => String(++looks) });
    const again = new Promise<void>((resolve) => {
      discovery.onStart = () => discovery.did.length > 1 && resolve();
    });
    await discovery.start();
    await again;
    await discovery.stop();
    const did = discovery.did.length;
    const looksThen = looks;
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(discovery.did.length, did);
    assert.equal(looks, looksThen);
    assert.equal(discovery.did.at(-1), 'stop');
  });
});
