import assert from 'node:assert/strict';
import type { Startable } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { askTogether, listenAnew, tellOfOwnCards, type Asking } from '../../src/node/local-discovery.ts';

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

describe('what a node answers on the local network', () => {
  const ME = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';
  const PTR = {
    name: '_shoal-test._udp.local',
    type: 'PTR',
    class: 'IN',
    ttl: 120,
    data: 'me._shoal-test._udp.local',
  };

  it('names the public addresses of its own network cards, and none of a router or relay', () => {
    const told: string[] = [];
    const answering = {
      respond: (answers: { name: string; type: string; data: string }[]) =>
        void told.push(...answers.map(({ name, type, data }) => `${name} ${type} ${data}`)),
    };
    const addresses = [
      `/ip4/192.168.1.2/tcp/4001/p2p/${ME}`,
      `/ip4/5.1.1.1/tcp/4001/p2p/${ME}`,
      `/ip6/2a01:4f8:1::1/tcp/4001/p2p/${ME}`,
      `/ip4/5.1.1.9/tcp/4001/p2p/${ME}`,
      `/ip4/5.1.1.1/tcp/4001/p2p/${ME}/p2p-circuit/p2p/${ME}`,
      `/dns4/${'x'.repeat(250)}/tcp/4001/p2p/${ME}`,
    ].map((each) => multiaddr(each));
    tellOfOwnCards(
      answering,
      () => addresses,
      (host) => ['192.168.1.2', '5.1.1.1', '2a01:4f8:1::1'].includes(host),
    );
    answering.respond([PTR]);
    assert.deepEqual(told, [
      `${PTR.name} PTR ${PTR.data}`,
      `${PTR.data} TXT dnsaddr=/ip4/5.1.1.1/tcp/4001/p2p/${ME}`,
      `${PTR.data} TXT dnsaddr=/ip6/2a01:4f8:1::1/tcp/4001/p2p/${ME}`,
    ]);
  });
});

describe('what nodes ask on the local network', () => {
  const SERVICE = '_shoal-test._udp.local';
  const QUESTION = { questions: [{ name: SERVICE, type: 'PTR' }] };

  /** Nodes that would ask each ten seconds, a second after each other, and hear everything. */
  class Lan {
    nowMs = 0;
    asked: number[] = [];
    readonly #ears: ((query: { questions: { name: string }[] }) => void)[] = [];
    readonly #nodes: { asking: Asking; sinceMs: number }[] = [];

    join(isDeaf = false): void {
      const node = this.#nodes.length;
      const asking: Asking = {
        query: (question) => {
          this.asked.push(node);
          for (const hear of this.#ears) hear(question);
        },
        on: (_event, listener) => void (isDeaf || this.#ears.push(listener)),
      };
      asking.query(QUESTION);
      askTogether(asking, SERVICE, () => this.nowMs);
      this.#nodes.push({ asking, sinceMs: this.nowMs });
    }

    hear(name: string): void {
      for (const hear of this.#ears) hear({ questions: [{ name }] });
    }

    pass(sec: number): number[] {
      this.asked = [];
      for (let n = 0; n < sec; n++) {
        this.nowMs += 1000;
        for (const { asking, sinceMs } of this.#nodes)
          if ((this.nowMs - sinceMs) % 10_000 === 0) asking.query(QUESTION);
      }
      return this.asked;
    }
  }

  it('is asked by one for all, about as often as each would', () => {
    const lan = new Lan();
    for (let n = 0; n < 8; n++) {
      lan.join();
      lan.pass(1);
    }
    const asked = lan.pass(200);
    assert.ok(asked.length >= 19 && asked.length <= 23, `${asked.length} times`);
  });

  it('is asked by each now and then, though others ask', () => {
    const lan = new Lan();
    for (let n = 0; n < 4; n++) lan.join();
    assert.deepEqual([...new Set(lan.pass(700))].sort(), [0, 1, 2, 3]);
  });

  it('is asked by who hears nobody, or others of another kind, as often as ever', () => {
    const lan = new Lan();
    lan.join(true);
    assert.equal(lan.pass(100).length, 10);
    const other = new Lan();
    other.join();
    let asked = 0;
    for (let n = 0; n < 100; n++) {
      other.hear('_ipp._tcp.local');
      asked += other.pass(1).length;
    }
    assert.equal(asked, 10);
  });
});
