import assert from 'node:assert/strict';
import type { Connection, Stream } from '@libp2p/interface';
import { cidOf, RAW_CODE } from '../../../src/integrity/parse-cid.ts';
import { sha256 } from '../../../src/integrity/sha256.ts';
import type { NamedRoot } from '../../../src/swarm/named-roots.ts';
import { NodeAnswers } from '../../../src/swarm/node-answers.ts';
import { PeerLink } from '../../../src/swarm/peer-link.ts';
import { encodeControl } from '../../../src/swarm/wire/encode-control.ts';
import { bytesOf } from './memory-asset.ts';

const MIB = 1 << 20;

/** A control stream whose bytes stay until the test takes them, or are gone at once. */
class SlowStream extends EventTarget {
  readonly status = 'open';
  writeBufferLength = 0;
  writableNeedsDrain = false;
  sent = 0;
  isSlow = true;

  send(bytes: Uint8Array): boolean {
    this.sent += bytes.byteLength;
    if (!this.isSlow) return true;
    this.writeBufferLength += bytes.byteLength;
    this.writableNeedsDrain = true;
    return false;
  }

  take(bytes = this.writeBufferLength): void {
    this.writeBufferLength -= bytes;
    if (this.writeBufferLength > 0) return;
    this.writableNeedsDrain = false;
    this.dispatchEvent(new Event('drain'));
  }

  receive(data: Uint8Array): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data }));
  }

  abort(): void {}
}

/** A link on which a peer has said HELLO, and named a root for each leaf it asks for. */
function linkOver(stream: SlowStream, nowMs = (): number => 0): PeerLink {
  const connection = { remotePeer: { toString: () => 'a' } } as unknown as Connection;
  const ignore = (): void => {};
  const link = new PeerLink(connection, stream as unknown as Stream, true, nowMs, {
    onHello: ignore,
    onMessage: ignore,
    inbox: () => ({ begin: ignore, payload: ignore, end: ignore, stop: ignore }),
    onDrain: ignore,
    onEnd: ignore,
  });
  const limits = { controlFrameBytes: 4 * MIB, chunkBytes: MIB };
  const hello = {
    type: 'hello',
    version: 1,
    features: [],
    limits,
    instance: new Uint8Array(8),
    link: 1,
  } as const;
  stream.receive(encodeControl(hello));
  return link;
}

function ask(answers: NodeAnswers, link: PeerLink, count: number): void {
  for (let n = 0; n < count; n++) {
    const root = cidOf(RAW_CODE, sha256(Uint8Array.of(n)));
    const named = { slot: n, root, text: root.toString(), hasLeft: false } as NamedRoot;
    answers.add(link, named, [root.bytes]);
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

describe('a control stream', () => {
  it('is not given up where a slow peer asks for many files of one large chunk, whose answers come in one turn', async () => {
    const stream = new SlowStream();
    const link = linkOver(stream);
    const leaf = bytesOf(MIB);
    const answers = new NodeAnswers(
      async () => leaf,
      () => 0,
    );
    link.send({ type: 'have', slot: 1, chunks: [1] });
    await settle();
    // Something waits there, and little enough for more.
    stream.writeBufferLength = MIB - 1;
    ask(answers, link, 16);
    for (let n = 0; n < 16; n++) {
      await settle();
      assert.ok(!link.isEnded, 'the link is up');
      assert.ok(stream.writeBufferLength <= 4 * MIB, `${stream.writeBufferLength} bytes before what follows`);
      stream.take();
    }
    while (stream.sent < 16 * MIB) await settle();
  });

  it('is given up where a peer does not read for long, and not for what is said in one turn', async () => {
    const stream = new SlowStream();
    const link = linkOver(stream);
    // Of four million chunks each.
    const have = { kind: 'some', bits: new Uint8Array(MIB / 2) } as const;
    for (let slot = 1; slot <= 40; slot++)
      link.send({ type: 'join', slot, root: new Uint8Array(36), have, reply: true });
    while (stream.sent < 20 * MIB) await settle();
    assert.ok(!link.isEnded, 'the peer has had no time to read it');
    stream.take(13 * MIB);
    const before = stream.sent;
    link.send({ type: 'ping', nonce: 1 });
    while (stream.sent === before && !link.isEnded) await settle();
    assert.ok(!link.isEnded, 'the peer reads');
    stream.writeBufferLength = 9 * MIB;
    link.send({ type: 'ping', nonce: 2 });
    while (!link.isEnded) await settle();
  });

  it('is heard where a large message comes slowly, long before that is whole', () => {
    let nowMs = 0;
    const stream = new SlowStream();
    const link = linkOver(stream, () => nowMs);
    link.up();
    const leaf = bytesOf(MIB);
    const cid = cidOf(RAW_CODE, sha256(leaf)).bytes;
    const frame = encodeControl({ type: 'node', slot: 1, cid, bytes: leaf });
    for (let at = 0; at < frame.byteLength; at += 64 << 10) {
      nowMs += 1000;
      stream.receive(frame.subarray(at, at + (64 << 10)));
      assert.equal(link.heardAtMs, nowMs);
    }
  });

  it('tells that there is room where it took all at once', async () => {
    const stream = new SlowStream();
    stream.isSlow = false;
    const link = linkOver(stream);
    const leaf = bytesOf(MIB);
    const answers = new NodeAnswers(
      async () => leaf,
      () => 0,
    );
    ask(answers, link, 16);
    while (stream.sent < 16 * MIB) await settle();
  });
});
