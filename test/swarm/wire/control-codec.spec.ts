import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ShoalError } from '../../../src/errors.ts';
import type { ControlMessage } from '../../../src/swarm/wire/control-message.ts';
import { HAVE_KINDS } from '../../../src/swarm/wire/control-schema.ts';
import { decodeControl } from '../../../src/swarm/wire/decode-control.ts';
import { encodeControl } from '../../../src/swarm/wire/encode-control.ts';
import { FrameSplitter } from '../../../src/swarm/wire/frame-splitter.ts';
import * as limit from '../../../src/swarm/wire/limits.ts';
import { ProtoWriter } from '../../../src/integrity/proto-writer.ts';

const u32 = fc.nat(0xffff_ffff);
const chunk = fc.nat(limit.MAX_CHUNKS - 1);
const ascending = fc.uniqueArray(chunk, { maxLength: 60 }).map((chunks) => chunks.sort((a, b) => a - b));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const cid = fc.uint8Array({ minLength: 36, maxLength: 40 });
const safe = fc.maxSafeNat();
const run = fc.record({ from: fc.nat(limit.MAX_CHUNKS - 100), count: fc.integer({ min: 1, max: 100 }) });
const contact = fc.record({
  peer: fc.string({ maxLength: 30 }),
  addresses: fc.array(fc.string({ maxLength: 60 }), { maxLength: limit.MAX_CONTACT_ADDRESSES }),
});
const is = <T extends string>(type: T) => fc.constant(type);

const message: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({
    type: is('hello'),
    version: u32,
    features: fc.array(fc.string({ maxLength: 16 }), { maxLength: limit.MAX_FEATURES }),
    limits: fc.record({ controlFrameBytes: safe, chunkBytes: safe }),
    instance: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    link: u32,
  }),
  fc.record({
    type: is('join'),
    slot: u32,
    root: cid,
    have: fc.oneof(
      fc.record({ kind: fc.constantFrom('all' as const, 'none' as const) }),
      fc.record({ kind: is('some'), bits: bytes(200) }),
    ),
    reply: fc.boolean(),
  }),
  fc.record({ type: is('leave'), slot: u32 }),
  fc.record({
    type: is('nodes'),
    slot: u32,
    cids: fc.array(cid, { maxLength: limit.MAX_NODES_PER_REQUEST }),
  }),
  fc.record({ type: is('node'), slot: u32, cid, bytes: fc.option(bytes(400), { nil: undefined }) }),
  fc.record({ type: is('node'), slot: u32, cid, bytes: fc.constant(undefined), packed: bytes(400) }),
  fc.record({ type: is('grant'), id: u32, bytes: safe, leaseMs: u32 }),
  fc.record({
    type: is('grant'),
    id: u32,
    bytes: safe,
    leaseMs: u32,
    offer: fc.record({ slot: u32, chunks: fc.array(chunk, { maxLength: 40 }) }),
  }),
  fc.record({
    type: is('decline'),
    grant: u32,
    bytes: safe,
    reason: fc.constantFrom('nothing-wanted' as const, 'busy' as const, 'expired' as const),
  }),
  fc.record({ type: is('have'), slot: u32, chunks: ascending }),
  fc.record({ type: is('request'), grant: u32, slot: u32, runs: fc.array(run, { maxLength: 40 }) }),
  fc.record({ type: is('cancel'), slot: u32, chunk }),
  fc.record({
    type: is('reject'),
    slot: u32,
    chunk,
    reason: fc.constantFrom(
      'no-credit' as const,
      'missing' as const,
      'failed' as const,
      'cancelled' as const,
    ),
  }),
  fc.record({ type: is('ack'), bytes: safe }),
  fc.record({ type: is('ack'), bytes: safe, atMs: u32 }),
  fc.record({
    type: is('peers'),
    slot: u32,
    contacts: fc.array(contact, { maxLength: 10 }),
    progress: fc.integer({ min: 0, max: 1_000_000 }).map((parts) => parts / 1_000_000),
  }),
  fc.record({ type: is('ping'), nonce: u32 }),
  fc.record({ type: is('pong'), nonce: u32 }),
  fc.record({ type: is('bye'), reason: fc.string({ maxLength: 60 }) }),
);

/** Decodes a stream that arrives in pieces cut at `cuts`. */
function decodeStream(stream: Uint8Array, cuts: readonly number[]): (ControlMessage | undefined)[] {
  const decoded: (ControlMessage | undefined)[] = [];
  const splitter = new FrameSplitter(limit.MAX_CONTROL_FRAME_BYTES);
  const ends = [...cuts.map((cut) => cut % (stream.byteLength + 1)), stream.byteLength].sort((a, b) => a - b);
  let pos = 0;
  for (const end of ends) {
    // A copy that is wiped afterwards: whatever the result keeps must not be a view of it.
    const piece = new Uint8Array(stream.subarray(pos, end));
    splitter.push(piece, (frame) => void decoded.push(decodeControl(frame)));
    piece.fill(0xff);
    pos = end;
  }
  return decoded;
}

function body(frame: Uint8Array): Uint8Array {
  const frames: Uint8Array[] = [];
  new FrameSplitter(limit.MAX_CONTROL_FRAME_BYTES).push(frame, (one) => void frames.push(one.slice()));
  return frames[0] as Uint8Array;
}

function isBadFrame(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'ERR_PEER_BAD_FRAME' && error.fault === 'peer';
}

describe('control codec', () => {
  it('gives back every message, wherever the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(encodeControl));
          // Cloned, because fast-check's records have no prototype.
          assert.deepEqual(decodeStream(stream, cuts), structuredClone(messages));
        },
      ),
    );
  });

  it('keeps nothing of a Buffer that it decodes from', () => {
    const node: ControlMessage = {
      type: 'node',
      slot: 1,
      cid: new Uint8Array(36),
      bytes: new Uint8Array(50),
    };
    const frame = Buffer.from(body(encodeControl(node)));
    const decoded = decodeControl(frame);
    frame.fill(0xff);
    assert.deepEqual(decoded, node);
  });

  it('answers random bytes with a message, nothing, or ERR_PEER_BAD_FRAME', () => {
    fc.assert(
      fc.property(bytes(400), (junk) => {
        try {
          decodeControl(junk);
        } catch (error) {
          assert.ok(isBadFrame(error), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('answers a damaged message with a message, nothing, or ERR_PEER_BAD_FRAME', () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.nat(255), (original, at, value) => {
        const frame = body(encodeControl(original));
        frame[at % frame.byteLength] = value;
        try {
          decodeControl(frame);
        } catch (error) {
          assert.ok(isBadFrame(error), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('skips kinds and fields that it does not know', () => {
    const unknown = new ProtoWriter().bytes(200, new Uint8Array(9)).finish().slice();
    assert.equal(decodeControl(unknown), undefined);
    const ping = new ProtoWriter().uint(1, 7).uint(9, 1).text(10, 'later').uint(4000, 3).finish().slice();
    const frame = new ProtoWriter().uint(100, 5).bytes(14, ping).bytes(101, unknown).finish();
    assert.deepEqual(decodeControl(frame), { type: 'ping', nonce: 7 });
  });

  it('keeps the order of offered chunks, forwards and backwards', () => {
    const chunks = [9, 8, 7, 100, 101, 102, 3];
    const grant: ControlMessage = {
      type: 'grant',
      id: 1,
      bytes: 5,
      leaseMs: 1000,
      offer: { slot: 4, chunks },
    };
    assert.deepEqual(decodeControl(body(encodeControl(grant))), grant);
  });

  it('writes news of many chunks at a byte for each', () => {
    const chunks = Array.from({ length: 100 }, (_, n) => 100 * n + 90);
    assert.ok(encodeControl({ type: 'have', slot: 1, chunks }).byteLength <= 100 + 8);
  });

  const hostile: [string, Uint8Array][] = [
    ['more chunks than a message may name', packed(8, Array(limit.MAX_CHUNKS_PER_MESSAGE + 1).fill(0))],
    ['a chunk beyond the largest asset', packed(8, [5, limit.MAX_CHUNKS])],
    ['a run beyond the largest asset', packed(9, [limit.MAX_CHUNKS * 2, 5])],
    ['more runs than a grant pays for', packed(9, Array(2 * (limit.MAX_RUNS + 1)).fill(2))],
    ['a long run in an offer', offered([0, limit.MAX_CHUNKS_PER_MESSAGE + 1])],
    ['long runs in an offer', offered([0, limit.MAX_CHUNKS_PER_MESSAGE, 0, 1])],
    ['more fields than any message has', repeated(4, 7, 129, 0)],
    ['a contact with too many addresses', contactOf(46, Array(limit.MAX_CONTACT_ADDRESSES + 1).fill(10))],
    ['a contact with a long address', contactOf(46, [limit.MAX_ADDRESS_BYTES + 1])],
    ['a contact with a long id', contactOf(limit.MAX_PEER_ID_BYTES + 1, [10])],
    ['too many contacts', repeated(13, 2, limit.MAX_CONTACTS + 1, 0)],
    [
      'a bitfield beyond the largest asset',
      bytesField(
        2,
        new ProtoWriter()
          .uint(3, HAVE_KINDS.indexOf('some'))
          .bytes(4, new Uint8Array(limit.MAX_CHUNKS / 8 + 1))
          .finish(),
      ),
    ],
    ['a long farewell', repeated(16, 1, 1, limit.MAX_REASON_BYTES + 1)],
    ['a long feature', repeated(1, 2, 1, limit.MAX_FEATURE_BYTES + 1)],
    ['a slot beyond 32 bits', bytesField(3, new ProtoWriter().uint(1, 2 ** 32).finish())],
    [
      'a chunk beyond it in a cancellation',
      bytesField(10, new ProtoWriter().uint(2, limit.MAX_CHUNKS).finish()),
    ],
    ['a run before the first chunk', packed(9, [1, 1])],
    ['an empty run', packed(9, [0, 0])],
    ['too many node CIDs', repeated(4, 2, limit.MAX_NODES_PER_REQUEST + 1, 36)],
    ['a CID that is too long', repeated(4, 2, 1, limit.MAX_CID_BYTES + 1)],
    ['too many features', repeated(1, 2, limit.MAX_FEATURES + 1, 1)],
    [
      'text that is not UTF-8',
      new ProtoWriter().bytes(16, bytesField(1, Uint8Array.of(0xff, 0xfe))).finish(),
    ],
    ['a hello without an instance', new ProtoWriter().bytes(1, new Uint8Array(0)).finish()],
  ];
  for (const [what, frame] of hostile) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeControl(frame), isBadFrame);
    });
  }

  const most: [string, Uint8Array][] = [
    ['chunks', packed(8, Array(limit.MAX_CHUNKS_PER_MESSAGE).fill(0))],
    ['runs', packed(9, Array(2 * limit.MAX_RUNS).fill(2))],
    ['offered chunks', offered([0, limit.MAX_CHUNKS_PER_MESSAGE - 1, 0, 1])],
    [
      'addresses',
      contactOf(limit.MAX_PEER_ID_BYTES, Array(limit.MAX_CONTACT_ADDRESSES).fill(limit.MAX_ADDRESS_BYTES)),
    ],
    ['contacts', repeated(13, 2, limit.MAX_CONTACTS, 0)],
    ['node CIDs', repeated(4, 2, limit.MAX_NODES_PER_REQUEST, limit.MAX_CID_BYTES)],
  ];
  for (const [what, frame] of most) {
    it(`takes as many ${what} as it allows`, () => assert.ok(decodeControl(frame)));
  }
});

describe('frame splitter', () => {
  it('refuses a frame longer than the limit as soon as its length is read', () => {
    const splitter = new FrameSplitter(1000);
    assert.throws(() => splitter.push(new ProtoWriter().varint(1001).finish(), () => {}), isBadFrame);
  });

  it('refuses a length that never ends', () => {
    const splitter = new FrameSplitter(1000);
    assert.throws(() => splitter.push(new Uint8Array(8).fill(0x80), () => {}), isBadFrame);
  });

  it('stops at the frame after which it is told to', () => {
    const seen: number[] = [];
    new FrameSplitter(10).push(Uint8Array.of(1, 7, 1, 8, 1, 9), (frame) => {
      seen.push(frame[0] as number);
      return seen.length < 2;
    });
    assert.deepEqual(seen, [7, 8]);
  });

  it('passes an empty frame on', () => {
    const lengths: number[] = [];
    new FrameSplitter(10).push(Uint8Array.of(0, 1, 5, 0), (frame) => void lengths.push(frame.byteLength));
    assert.deepEqual(lengths, [0, 1, 0]);
  });
});

function bytesField(field: number, value: Uint8Array): Uint8Array {
  return new ProtoWriter().bytes(field, value).finish().slice();
}

function packed(kind: 8 | 9, varints: readonly number[]): Uint8Array {
  const list = new ProtoWriter();
  for (const value of varints) list.varint(value);
  return bytesField(kind, bytesField(kind === 8 ? 2 : 3, list.finish()));
}

/** GRANT with an offer of runs, each where it starts after the end of the last, and how long it is. */
function offered(runs: readonly number[]): Uint8Array {
  const list = new ProtoWriter();
  for (const value of runs) list.varint(value);
  return bytesField(6, bytesField(5, list.finish()));
}

/** PEERS with one contact, by the lengths of its id and its addresses. */
function contactOf(idLength: number, addressLengths: readonly number[]): Uint8Array {
  const contact = new ProtoWriter().bytes(1, new Uint8Array(idLength).fill(65));
  for (const length of addressLengths) contact.bytes(2, new Uint8Array(length).fill(65));
  return bytesField(13, bytesField(2, contact.finish()));
}

function repeated(kind: number, field: number, count: number, length: number): Uint8Array {
  const out = new ProtoWriter();
  for (let n = 0; n < count; n++) out.bytes(field, new Uint8Array(length).fill(65));
  return bytesField(kind, out.finish());
}
