import assert from 'node:assert/strict';
import type { Manifest, ManifestEntry } from '../../src/integrity/manifest.ts';
import { findFile } from '../../src/node/asset-handle.ts';

const FILES = 1000;

/** A folder of files, and one in it that is empty, which counts how often an entry is looked at. */
function folder(): { manifest: Manifest; looks(): number } {
  let looks = 0;
  const listed: ManifestEntry[] = Array.from({ length: FILES }, (_, n) => ({
    type: 'file',
    path: ['sub', `${n}.bin`],
    size: n,
    leaves: new Uint32Array(0),
  }));
  listed.unshift({ type: 'directory', path: ['sub'] });
  const entries = new Proxy(listed, {
    get(target, name) {
      if (typeof name === 'string' && /^\d+$/.test(name)) looks++;
      return Reflect.get(target, name) as unknown;
    },
  });
  return { manifest: { type: 'directory', entries } as Partial<Manifest> as Manifest, looks: () => looks };
}

describe('a file of a folder', () => {
  it('is found by its path without a look at all others, when many are asked for', () => {
    const { manifest, looks } = folder();
    for (let n = FILES - 1; n >= 0; n--)
      assert.deepEqual(findFile(manifest, `sub/${n}.bin`, 'bafy'), { file: n + 1, size: n });
    assert.ok(looks() <= 3 * FILES, `${looks()} entries were looked at`);
  });

  it('is told from what is none', () => {
    const { manifest } = folder();
    assert.deepEqual(findFile(manifest, '/sub//1.bin', 'bafy'), { file: 2, size: 1 });
    assert.throws(() => findFile(manifest, 'sub/x', 'bafy'), { code: 'ERR_ENTRY_NOT_FOUND' });
    for (const path of ['sub', 'sub/', '', undefined])
      assert.throws(() => findFile(manifest, path, 'bafy'), { code: 'ERR_NOT_A_FILE' });
  });
});
