import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify, identifyPush } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type ServiceFactoryMap } from 'libp2p';
import { overridden } from '../../src/node/overridden.ts';
import { patientIdentify } from '../../src/node/patient-identify.ts';
import { promptPush, type PromptPushOptions } from '../../src/node/prompt-push.ts';

const LATER = '/ip4/203.0.113.7/tcp/4001';
const NEVER_MS = 3_600_000;

describe('addresses that come later', () => {
  const nodes: Libp2p[] = [];
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.stop();
  });

  async function start<T extends Record<string, unknown>>(services: ServiceFactoryMap<T>) {
    const node = await createLibp2p<T>({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services,
    });
    nodes.push(node);
    return node;
  }

  /** A node that tells of an address when it is told to. */
  async function teller(options: PromptPushOptions) {
    let tell = (): void => {};
    const node = await start({
      identify: identify(),
      push: (parts: Parameters<ReturnType<typeof promptPush>>[0]) => {
        tell = () => parts.addressManager.confirmObservedAddr(multiaddr(LATER), { type: 'observed' });
        return promptPush(options)(parts);
      },
    });
    return { node, tell: () => tell() };
  }

  /** A peer that has connected to the node, both known to each other, and loses the first `lost` things that it is told. */
  async function peerOf(node: Libp2p, lost = 0) {
    const pushes: number[] = [];
    const peer = await start({
      identify: identify(),
      push: (parts: Parameters<ReturnType<typeof identifyPush>>[0]) => {
        const { registrar } = parts;
        const handle: typeof registrar.handle = (protocol, handler, options) =>
          registrar.handle(
            protocol,
            (stream, connection) => {
              pushes.push(pushes.length + 1);
              if (pushes.length > lost) return handler(stream, connection);
              stream.abort(new Error('lost'));
            },
            options,
          );
        return identifyPush({ runOnSelfUpdate: false })(
          overridden(parts, { registrar: overridden(registrar, { handle }) }),
        );
      },
    });
    const known = Promise.all(
      [node, peer].map(
        (each) => new Promise((resolve) => each.addEventListener('peer:identify', resolve, { once: true })),
      ),
    );
    await peer.dial(node.getMultiaddrs());
    await known;
    const told = new Promise<void>((resolve) => {
      peer.addEventListener('peer:identify', ({ detail }) => {
        if (detail.listenAddrs.some((each) => each.toString().startsWith(LATER))) resolve();
      });
    });
    return { told, pushes };
  }

  it('are told again to a peer that did not take them', async () => {
    const { node, tell } = await teller({ againMs: 50 });
    const peer = await peerOf(node, 2);
    tell();
    await peer.told;
    assert.deepEqual(peer.pushes.slice(0, 3), [1, 2, 3]);
  });

  it('are told to all others where nothing is known of one peer', async () => {
    const { node, tell } = await teller({ againMs: NEVER_MS });
    const silent = await start({});
    await silent.dial(node.getMultiaddrs());
    await assert.rejects(node.peerStore.get(silent.peerId), { name: 'NotFoundError' });
    const peer = await peerOf(node);
    tell();
    await peer.told;
  });

  it('are told once, and not to whom identify told them', async () => {
    const { node, tell } = await teller({ againMs: 2000 });
    const first = await peerOf(node);
    // When it is told again, the first one must not be.
    const slow = await peerOf(node, 1);
    tell();
    const late = await peerOf(node);
    await Promise.all([first.told, slow.told]);
    assert.deepEqual(first.pushes, [1]);
    assert.deepEqual(late.pushes, []);
  });

  for (const isConnected of [true, false]) {
    const when = isConnected ? 'while it is connected' : 'when it connects anew';
    it(`are believed of a peer whose clock was set back, ${when}`, async () => {
      using clock = aheadByAnHour();
      const { node, tell } = await teller({ againMs: NEVER_MS });
      const [here] = node.getMultiaddrs();
      assert.ok(here);
      const peer = await start({ identify: patientIdentify(), push: promptPush() });
      const heard = (by: Libp2p): Promise<unknown> =>
        new Promise((resolve) => by.addEventListener('peer:identify', resolve, { once: true }));
      const met = Promise.all([heard(peer), heard(node)]);
      await peer.dial(here);
      await met;
      clock.setBack();
      if (!isConnected) await peer.hangUp(node.peerId);
      const told = heard(peer);
      tell();
      if (!isConnected) await peer.dial(here);
      await told;
      const { addresses } = await peer.peerStore.get(node.peerId);
      assert.ok(addresses.some(({ multiaddr: each }) => each.toString() === LATER));
    });
  }
});

/** All clocks of this process, until it is set back. */
function aheadByAnHour(): { setBack: () => void } & Disposable {
  const now = Date.now.bind(Date);
  const clock = mock.method(Date, 'now', () => now() + 3_600_000);
  const setBack = (): void => clock.mock.restore();
  return { setBack, [Symbol.dispose]: setBack };
}
