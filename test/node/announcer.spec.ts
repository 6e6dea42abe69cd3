import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mock } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { cidOf, RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { Announcer } from '../../src/node/announcer.ts';
import type { ShoalLibp2p } from '../../src/node/shoal-libp2p.ts';

const rootOf = (n: number) => cidOf(RAW_CODE, createHash('sha256').update(`${n}`).digest());

/** A node in a DHT of many, of which the nearest to each root is one that can be told of it, or cannot. */
async function rig() {
  const [peerId, keeper] = await Promise.all(
    [1, 2].map(async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))),
  );
  const state = { isReachable: false, tries: 0, told: 0, keeper: String(keeper), clockMs: 1_800_000_000_000 };
  const tell = (): void => {
    state.tries++;
    if (!state.isReachable) throw new Error('nobody answers');
  };
  const stream = { send: () => state.told++ >= 0, close: async () => {}, abort: () => {} };
  const dht = {
    async *provide() {
      tell();
      state.told++;
      yield { name: 'PEER_RESPONSE', messageName: 'ADD_PROVIDER' };
    },
    async cancelReprovide() {},
    async *getClosestPeers() {
      yield { name: 'FINAL_PEER', peer: { id: keeper } };
    },
  };
  const dialProtocol = async (): Promise<unknown> => {
    tell();
    return stream;
  };
  const addresses = ['/ip4/192.0.2.1/tcp/4001'];
  const parts = {
    peerId,
    services: { dht },
    dialProtocol,
    getMultiaddrs: () => addresses.map((a) => multiaddr(a)),
  };
  const libp2p = Object.assign(new EventTarget(), parts);
  const announcer = new Announcer({
    libp2p: libp2p as unknown as ShoalLibp2p,
    network: 'test',
    log: () => {},
    clockMs: () => state.clockMs,
  });
  announcer.memberCame(30);
  const turns = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  };
  const moveTo = (address: string): void => {
    addresses.splice(0, 1, address);
    libp2p.dispatchEvent(new CustomEvent('self:peer:update'));
  };
  return { announcer, state, turns, moveTo };
}

describe('Announcer', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  for (const roots of [1, 20]) {
    it(`announces ${roots} again, ever more seldom, until somebody could be told`, async () => {
      const { announcer, state, turns } = await rig();
      for (let n = 0; n < roots; n++) announcer.provide(rootOf(n));
      await turns();
      const first = state.tries;
      assert.ok(first > 0);
      mock.timers.tick(30_000);
      await turns();
      const second = state.tries;
      assert.ok(second > first, 'soon');
      mock.timers.tick(59_000);
      await turns();
      assert.equal(state.tries, second);
      state.isReachable = true;
      mock.timers.tick(1000);
      await turns();
      assert.equal(state.told, roots);
      mock.timers.tick(1_000_000);
      await turns();
      assert.equal(state.told, roots, 'once is enough');
      await announcer.stop();
    });
  }

  it('does not announce again what is provided no more, nor once it was stopped', async () => {
    const { announcer, state, turns } = await rig();
    announcer.provide(rootOf(1));
    announcer.provide(rootOf(2));
    await turns();
    const tries = state.tries;
    announcer.unprovide(rootOf(1));
    mock.timers.tick(30_000);
    await turns();
    assert.equal(state.tries, tries + 1);
    await announcer.stop();
    mock.timers.tick(1_000_000);
    await turns();
    assert.equal(state.tries, tries + 1);
  });

  for (const roots of [1, 20]) {
    it(`announces ${roots} again when the node has other addresses, to whoever has not been connected since`, async () => {
      const { announcer, state, turns, moveTo } = await rig();
      state.isReachable = true;
      announcer.start();
      for (let n = 0; n < roots; n++) announcer.provide(rootOf(n));
      await turns();
      const first = state.told;
      assert.equal(first, roots);
      moveTo('/ip4/192.0.2.2/tcp/4001');
      moveTo('/ip4/192.0.2.1/tcp/4001');
      mock.timers.tick(600_000);
      await turns();
      assert.equal(state.told, first, 'it is where it was');
      moveTo('/ip4/192.0.2.3/tcp/4001');
      announcer.memberLeft(state.keeper, 30);
      mock.timers.tick(600_000);
      await turns();
      assert.equal(state.told, 2 * first);
      moveTo('/ip4/192.0.2.4/tcp/4001');
      await announcer.stop();
      mock.timers.tick(600_000);
      await turns();
      assert.equal(state.told, 2 * first);
    });
  }

  for (const roots of [1, 20]) {
    it(`announces ${roots} again when the machine has slept for hours, and not when its clock was set back`, async () => {
      mock.timers.reset();
      mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
      const { announcer, state, turns } = await rig();
      announcer.start();
      state.isReachable = true;
      for (let n = 0; n < roots; n++) announcer.provide(rootOf(n));
      const toldAfter = async (hours: number): Promise<number> => {
        state.clockMs += hours * 3_600_000;
        mock.timers.tick(300_000);
        await turns();
        return state.told;
      };
      assert.equal(await toldAfter(0), roots);
      assert.equal(await toldAfter(3), roots);
      assert.equal(await toldAfter(9), 2 * roots);
      assert.equal(await toldAfter(-8), 2 * roots);
      await announcer.stop();
    });
  }
});
