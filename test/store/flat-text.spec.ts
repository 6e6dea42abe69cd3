import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { flatText } from '../../src/store/flat-text.ts';

const TEXTS = 5000;

function cidText(n: number): string {
  return CID.createV1(RAW_CODE, create(0x12, sha256(Buffer.from(String(n))))).toString();
}

/** Bytes of the heap that each of many kept texts takes. */
function bytesOfEach(gc: () => void, make: (n: number) => string): number {
  const kept = new Map<string, number>();
  gc();
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < TEXTS; n++) kept.set(make(n), n);
  gc();
  return (process.memoryUsage().heapUsed - before) / kept.size;
}

describe('text in one piece', () => {
  it('is the same text', () => {
    assert.equal(flatText(cidText(1)), cidText(1));
  });

  it('keeps of a CID its letters only', () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    setFlagsFromString('--no-expose-gc');
    const asMade = bytesOfEach(gc, cidText);
    const flat = bytesOfEach(gc, (n) => flatText(cidText(n)));
    // 59 letters, and the map's entry; as it is made, it is a chain of its letters.
    assert.ok(flat < 300 && flat < asMade / 3, `${flat} and ${asMade} bytes`);
  });
});
