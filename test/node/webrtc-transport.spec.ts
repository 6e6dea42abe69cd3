import assert from 'node:assert/strict';
import type { MultiaddrConnection, Upgrader } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { MAX_PENDING, MAX_PENDING_OF_HOST } from '../../src/node/pending-connections.ts';
import { boundCalls, upgradingWebRtc } from '../../src/node/webrtc-transport.ts';

/** A connection that is upgraded, and what is under it. */
class Scene {
  readonly upgraded: string[] = [];
  readonly connection = new EventTarget() as unknown as MultiaddrConnection;
  readonly peerConnection = new EventTarget();
  readonly channel = Object.assign(new EventTarget(), { label: 'init', readyState: 'open' });
  closes = 0;
  readonly upgrader: Upgrader;
  readonly options: never;

  constructor(early: boolean) {
    this.upgrader = upgradingWebRtc({
      upgradeInbound: async () => void this.upgraded.push('inbound'),
      upgradeOutbound: async () => void this.upgraded.push('outbound'),
    } as unknown as Upgrader);
    const { peerConnection, channel } = this;
    const muxerFactory = { peerConnection, earlyDataChannels: early ? [{ channel }] : [] };
    this.options = { muxerFactory } as never;
    peerConnection.addEventListener('close', () => this.closes++);
  }

  closeChannel(): void {
    this.channel.readyState = 'closed';
    this.channel.dispatchEvent(new Event('close'));
  }
}

describe('WebRTC between peers that meet through a relay', () => {
  for (const early of [true, false]) {
    it(`is upgraded by who was dialled when the first channel is closed, which came ${early ? 'before' : 'later'}`, async () => {
      const scene = new Scene(early);
      const upgrading = scene.upgrader.upgradeInbound(scene.connection, scene.options);
      const { channel, peerConnection } = scene;
      if (!early) peerConnection.dispatchEvent(Object.assign(new Event('datachannel'), { channel }));
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(scene.upgraded, []);
      scene.closeChannel();
      await upgrading;
      assert.deepEqual(scene.upgraded, ['inbound']);
    });
  }

  it('is let go when it ends, by both ends: what is under it is told once', async () => {
    for (const direction of ['upgradeInbound', 'upgradeOutbound'] as const) {
      const scene = new Scene(true);
      scene.closeChannel();
      await scene.upgrader[direction](scene.connection, scene.options);
      assert.equal(scene.closes, 0);
      for (let n = 0; n < 2; n++) scene.connection.dispatchEvent(new Event('close') as never);
      assert.equal(scene.closes, 1);
    }
  });

  it('is made at a bounded number of calls at a time, from one host and in all', async () => {
    const answering: (() => void)[] = [];
    const transport = { _onProtocol: () => new Promise<void>((resolve) => answering.push(resolve)) };
    boundCalls(transport);
    let refused = 0;
    const call = (from: string): Promise<void> => {
      const connection = { remoteAddr: multiaddr(from), remotePeer: 'a peer' };
      const stream = { abort: () => refused++ };
      return Reflect.apply(transport._onProtocol, transport, [stream, connection]) as Promise<void>;
    };
    const ofOne = Array.from({ length: MAX_PENDING_OF_HOST + 5 }, () => call('/ip4/192.0.2.1/tcp/1'));
    assert.deepEqual([answering.length, refused], [MAX_PENDING_OF_HOST, 5]);
    const others = Array.from({ length: MAX_PENDING }, (_, n) => call(`/ip4/198.51.100.${n}/tcp/1`));
    void call('/webrtc');
    assert.equal(answering.length, MAX_PENDING);
    for (const end of answering.splice(0)) end();
    await Promise.all([...ofOne, ...others]);
    void call('/ip4/192.0.2.1/tcp/1');
    assert.equal(answering.length, 1);
  });
});
