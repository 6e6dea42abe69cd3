import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { RAW_CODE } from '../../src/integrity/parse-cid.ts';
import { sha256 } from '../../src/integrity/sha256.ts';
import { flatText } from '../../src/store/flat-text.ts';

const TEXTS = 5000;

function cidText(n: number): string {
  return CID.createV1(RAW_CODE, create(0x12, sha256(Buffer.from(String(n))))).toString();
}

/** Bytes of the heap that each of many kept texts of CIDs takes: in a process of its own, where nothing else comes and goes. */
function bytesOfEach(flat: boolean): number {
  const from = (path: string) => JSON.stringify(import.meta.resolve(path));
  const script = `
    import { CID } from ${from('multiformats/cid')};
    import { create } from ${from('multiformats/hashes/digest')};
    import { flatText } from ${from('../../src/store/flat-text.ts')};
    const digest = new Uint8Array(32);
    const text = (n) => {
      new DataView(digest.buffer).setUint32(0, n);
      return CID.createV1(${RAW_CODE}, create(0x12, digest)).toString();
    };
    const kept = [];
    for (let n = 0; n < 100; n++) flatText(text(n)); // what is made once
    gc();
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < ${TEXTS}; n++) kept.push(${flat ? 'flatText(text(n))' : 'text(n)'});
    gc();
    console.log((process.memoryUsage().heapUsed - before) / kept.length);`;
  const output = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  return Number(output);
}

describe('text in one piece', () => {
  it('is the same text', () => {
    assert.equal(flatText(cidText(1)), cidText(1));
  });

  it('keeps of a CID its letters only', () => {
    const asMade = bytesOfEach(false);
    const flat = bytesOfEach(true);
    // 59 letters and an entry of the list; as it is made, it is a chain of its letters.
    assert.ok(flat < 200 && flat < asMade / 3, `${flat} and ${asMade} bytes`);
  });
});
