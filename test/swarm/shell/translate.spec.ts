import assert from 'node:assert/strict';
import { fromWire, toWire } from '../../../src/swarm/translate.ts';
import { decodeControl } from '../../../src/swarm/wire/decode-control.ts';
import { encodeControl } from '../../../src/swarm/wire/encode-control.ts';
import { FrameSplitter } from '../../../src/swarm/wire/frame-splitter.ts';
import { MAX_CHUNKS_PER_MESSAGE, MAX_CONTROL_FRAME_BYTES } from '../../../src/swarm/wire/limits.ts';

const ROOT = Uint8Array.of(1, 2, 3);

describe('translation between core and wire', () => {
  it('cuts a HAVE that is too long for one message', () => {
    const chunks = Array.from({ length: MAX_CHUNKS_PER_MESSAGE + 1 }, (_, n) => n);
    const sent = toWire({ type: 'have', asset: 4, chunks }, () => ROOT);
    assert.equal(sent.length, 2);
    assert.deepEqual(
      sent.flatMap((message) => (message.type === 'have' ? message.chunks : [])),
      chunks,
    );
  });

  it('names the root in JOIN, and says nothing of an asset that is gone', () => {
    const join = { type: 'join', asset: 4, have: { kind: 'all' }, reply: true } as const;
    assert.deepEqual(toWire(join, () => ROOT), [{ type: 'join', slot: 4, root: ROOT, have: { kind: 'all' }, reply: true }]); // prettier-ignore
    assert.deepEqual(toWire(join, () => undefined), []); // prettier-ignore
  });

  it('tells of no address that whoever hears of it would have to take for a broken frame', () => {
    const long = `/dns4/${'€'.repeat(300)}/tcp/1`;
    const short = `/dns4/${'€'.repeat(100)}/tcp/1`;
    const contacts = [
      { peer: 'a', addresses: [long] },
      { peer: 'b', addresses: [long, short] },
    ];
    const [sent] = toWire({ type: 'peers', asset: 4, contacts, progress: 0.5 }, () => ROOT);
    assert.ok(sent);
    const heard: unknown[] = [];
    new FrameSplitter(MAX_CONTROL_FRAME_BYTES).push(encodeControl(sent), (frame) => {
      heard.push(decodeControl(frame));
    });
    const told = [{ peer: 'b', addresses: [short] }];
    assert.deepEqual(heard, [{ type: 'peers', slot: 4, contacts: told, progress: 0.5 }]);
  });

  it('translates the slot of the sender, also inside an offer', () => {
    const assetOf = (slot: number): number | undefined => (slot === 9 ? 2 : undefined);
    assert.deepEqual(fromWire({ type: 'cancel', slot: 9, chunk: 1 }, assetOf), {
      type: 'cancel',
      asset: 2,
      chunk: 1,
    });
    assert.equal(fromWire({ type: 'cancel', slot: 8, chunk: 1 }, assetOf), undefined);
    const grant = { type: 'grant', id: 1, bytes: 2, leaseMs: 3 } as const;
    const offered = fromWire({ ...grant, offer: { slot: 9, chunks: [5] } }, assetOf);
    assert.deepEqual(offered, { ...grant, offer: { asset: 2, chunks: [5] } });
    assert.deepEqual(fromWire({ ...grant, offer: { slot: 8, chunks: [5] } }, assetOf), grant);
  });
});
