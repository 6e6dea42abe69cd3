import assert from 'node:assert/strict';
import { ShoalError } from '../../../src/errors.ts';
import { cidOf, DAG_PB_CODE } from '../../../src/integrity/parse-cid.ts';
import type { Have } from '../../../src/swarm/core/messages.ts';
import {
  MAX_LEFT_ROOTS,
  MAX_NAMED_ROOTS,
  NamedRoots,
  type NamedRoot,
} from '../../../src/swarm/named-roots.ts';

const NONE = { kind: 'none' } as const;

function rootOf(n: number): { bytes: Uint8Array; text: string } {
  const digest = new Uint8Array(32);
  new DataView(digest.buffer).setUint32(0, n);
  const cid = cidOf(DAG_PB_CODE, digest);
  return { bytes: cid.bytes, text: cid.toString() };
}

function isBadFrame(error: unknown): boolean {
  return error instanceof ShoalError && error.code === 'ERR_PEER_BAD_FRAME';
}

/** A JOIN, where all roots matter but those that the test says. */
function joined(
  roots: NamedRoots,
  ...[slot, root, have, wantsReply, unused]: [number, Uint8Array, Have, boolean, Set<string>?]
): NamedRoot | undefined {
  return roots.join(slot, root, have, wantsReply, (text) => !unused?.has(text));
}

describe('named roots', () => {
  it('finds a root by slot and by CID until the peer leaves it', () => {
    const roots = new NamedRoots();
    const named = joined(roots, 5, rootOf(1).bytes, NONE, true);
    assert.equal(roots.get(5), named);
    assert.equal(roots.find(rootOf(1).text), named);
    roots.leave(5);
    assert.equal(roots.find(rootOf(1).text), undefined);
    // Data that was on its way still finds its slot.
    assert.equal(roots.get(5)?.hasLeft, true);
  });

  it('refuses a second root under a slot in use, and allows it after LEAVE', () => {
    const roots = new NamedRoots();
    joined(roots, 5, rootOf(1).bytes, NONE, false);
    assert.throws(() => joined(roots, 5, rootOf(2).bytes, NONE, false), isBadFrame);
    roots.leave(5);
    assert.equal(joined(roots, 5, rootOf(2).bytes, NONE, false)?.text, rootOf(2).text);
  });

  it('follows a root to its new slot', () => {
    const roots = new NamedRoots();
    joined(roots, 5, rootOf(1).bytes, NONE, false);
    joined(roots, 6, rootOf(1).bytes, NONE, false);
    assert.equal(roots.get(5), undefined);
    assert.equal(roots.find(rootOf(1).text)?.slot, 6);
  });

  it('knows that a peer has the nodes by its chunks, or when it names the root again', () => {
    const roots = new NamedRoots();
    const join = (n: number, have: Have = NONE): boolean | undefined =>
      joined(roots, n, rootOf(n).bytes, have, true)?.hasNodes;
    assert.deepEqual([join(1), join(1), join(1)], [false, true, true]);
    assert.deepEqual(
      [join(2, { kind: 'all' }), join(3, { kind: 'some', bits: new Uint8Array(1) })],
      [true, true],
    );
    roots.leave(1);
    assert.ok(roots.hasLeft(rootOf(1).text));
    assert.deepEqual([join(1), roots.hasLeft(rootOf(1).text), join(1)], [false, false, true]);
  });

  it('owes an answer that was asked for until it is released or left, whatever is said of the root meanwhile', () => {
    const roots = new NamedRoots();
    joined(roots, 5, rootOf(1).bytes, NONE, true);
    const again = joined(roots, 5, rootOf(1).bytes, NONE, false) as NamedRoot;
    assert.equal(again.wantsReply, true);
    roots.release(again);
    assert.equal(joined(roots, 5, rootOf(1).bytes, NONE, false)?.wantsReply, false);
    joined(roots, 5, rootOf(1).bytes, NONE, true);
    roots.leave(5);
    assert.equal(joined(roots, 5, rootOf(1).bytes, NONE, false)?.wantsReply, false);
  });

  it('passes over roots beyond its bound', () => {
    const roots = new NamedRoots();
    for (let n = 0; n < MAX_NAMED_ROOTS; n++) assert.ok(joined(roots, n, rootOf(n).bytes, NONE, false));
    assert.equal(joined(roots, MAX_NAMED_ROOTS, rootOf(MAX_NAMED_ROOTS).bytes, NONE, false), undefined);
  });

  it('keeps at most a mebibyte of bitfields for roots that are not active', () => {
    const roots = new NamedRoots();
    const kept = [0, 1, 2, 3].map((n) => {
      const named = joined(
        roots,
        n,
        rootOf(n).bytes,
        { kind: 'some', bits: new Uint8Array(400 << 10) },
        false,
      );
      assert.ok(named);
      roots.keep(named);
      return named.have?.kind;
    });
    // What could not be kept is asked for anew, not taken for nothing.
    assert.deepEqual(kept, ['some', 'some', undefined, undefined]);
    roots.leave(0);
    const next = joined(roots, 9, rootOf(9).bytes, { kind: 'some', bits: new Uint8Array(400 << 10) }, false);
    assert.ok(next);
    roots.keep(next);
    assert.equal(next.have?.kind, 'some');
  });

  it('knows those that were left last, whose data may be on its way, also where it is full', () => {
    const roots = new NamedRoots();
    const all = MAX_NAMED_ROOTS + MAX_LEFT_ROOTS + 1;
    for (let n = 0; n < all; n++) {
      if (n >= MAX_NAMED_ROOTS) roots.leave(n - MAX_NAMED_ROOTS);
      assert.ok(joined(roots, n, rootOf(n).bytes, NONE, false));
    }
    assert.equal(roots.get(0), undefined);
    for (let n = 1; n <= MAX_LEFT_ROOTS; n++) assert.equal(roots.get(n)?.hasLeft, true);
    assert.equal([...roots.values()].length, MAX_NAMED_ROOTS + MAX_LEFT_ROOTS);
  });

  it('lets those go that do not matter here where it is full, a few looked at each time', () => {
    const roots = new NamedRoots();
    for (let n = 0; n < MAX_NAMED_ROOTS; n++) joined(roots, n, rootOf(n).bytes, NONE, false);
    const unused = new Set([3, 20].map((n) => rootOf(n).text));
    const join = (n: number): NamedRoot | undefined =>
      joined(roots, MAX_NAMED_ROOTS + n, rootOf(MAX_NAMED_ROOTS + n).bytes, NONE, false, unused);
    assert.ok(join(0));
    assert.ok(roots.hasLeft(rootOf(3).text));
    let tries = 1;
    while (!join(1)) tries++;
    assert.ok(tries <= 4, String(tries));
    assert.ok(roots.hasLeft(rootOf(20).text));
    assert.equal(join(2), undefined);
  });

  it('counts announced chunks against the same mebibyte, and has all asked anew beyond it', () => {
    const roots = new NamedRoots();
    const chunks = Array.from({ length: 4096 }, (_, n) => n);
    const kept = Array.from({ length: 40 }, (_, n) => {
      const named = joined(roots, n, rootOf(n).bytes, NONE, false);
      assert.ok(named);
      roots.keepAnnounced(named, chunks, true);
      return { have: named.have?.kind, announced: named.announced.length };
    });
    assert.deepEqual(
      kept,
      kept.map((_, n) => (n < 32 ? { have: 'none', announced: 4096 } : { have: undefined, announced: 0 })),
    );
  });

  it('keeps no announcements for a root that nobody here is about to join', () => {
    const roots = new NamedRoots();
    const named = joined(roots, 1, rootOf(1).bytes, NONE, false);
    assert.ok(named);
    roots.keepAnnounced(named, [1, 2], false);
    roots.keepAnnounced(named, [3], true);
    assert.deepEqual([named.have, named.announced], [undefined, []]);
  });

  it('refuses what is no CID of an asset', () => {
    const roots = new NamedRoots();
    for (const bytes of [new Uint8Array(0), new Uint8Array(36), rootOf(1).bytes.subarray(0, 20)]) {
      assert.throws(() => joined(roots, 1, bytes, NONE, false), isBadFrame);
    }
  });

  it('keeps contacts of so many roots only, those told of last, and frees the room of what is released', () => {
    const roots = new NamedRoots();
    const addresses = Array.from({ length: 16 }, (_, n) => `/dns4/${'x'.repeat(480)}/tcp/${n}`);
    const contacts = Array.from({ length: 50 }, (_, n) => ({ peer: `p${n}`, addresses }));
    const tell = (n: number): NamedRoot => {
      const named = joined(roots, n, rootOf(n).bytes, NONE, false)!;
      roots.keepContacts(named, contacts);
      return named;
    };
    const keptOf = (all: NamedRoot[]): number => all.filter((named) => named.contacts.length > 0).length;
    const first = Array.from({ length: 100 }, (_, n) => tell(n));
    const most = keptOf(first);
    assert.ok(most > 0 && most < 10, String(most));
    assert.equal(first.at(-1)!.contacts.length, 50);
    assert.equal(first[0]!.contacts.length, 0);
    // Named again, it has them still.
    assert.equal(joined(roots, 99, rootOf(99).bytes, NONE, false)!.contacts.length, 50);
    for (let n = 0; n < 100; n++) roots.leave(n);
    assert.equal(keptOf(Array.from({ length: most }, (_, n) => tell(200 + n))), most);
  });
});
