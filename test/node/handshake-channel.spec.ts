import assert from 'node:assert/strict';
import { boundHandshake } from '../../src/node/handshake-channel.ts';

/** A browser's channel: who listens is told by an accessor of its class. */
class Channel extends EventTarget {
  closes = 0;
  #listener: ((event: MessageEvent) => void) | null = null;

  set onmessage(listener: (event: MessageEvent) => void) {
    if (!this.#listener) this.addEventListener('message', (event) => this.#listener?.(event as MessageEvent));
    this.#listener = listener;
  }

  close(): void {
    this.closes++;
  }

  bring(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }));
  }
}

function boundChannel(): { channel: Channel; heard: unknown[] } {
  const channel = new Channel();
  boundHandshake(channel as unknown as RTCDataChannel);
  const heard: unknown[] = [];
  channel.onmessage = ({ data }) => heard.push(data);
  return { channel, heard };
}

describe('the channel of a handshake', () => {
  it('is heard, each message once', () => {
    const { channel, heard } = boundChannel();
    const messages = [new ArrayBuffer(100), new ArrayBuffer(300)];
    for (const message of messages) channel.bring(message);
    assert.deepEqual(heard, messages);
    assert.equal(channel.closes, 0);
  });

  it('closes where text comes, and is heard no more', () => {
    const { channel, heard } = boundChannel();
    for (const message of ['4000000000', new ArrayBuffer(100), '1']) channel.bring(message);
    assert.deepEqual(heard, []);
    assert.equal(channel.closes, 1);
  });

  it('closes where more comes than handshakes have', () => {
    const { channel, heard } = boundChannel();
    for (let n = 0; n < 10; n++) channel.bring(new ArrayBuffer(10_000));
    assert.equal(heard.length, 6);
    assert.equal(channel.closes, 1);
  });
});
