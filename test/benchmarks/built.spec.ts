import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkBuilt } from '../../benchmarks/built.ts';

describe('what benchmarks measure', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'shoal-built-'));
    mkdirSync(join(root, 'src', 'node'), { recursive: true });
    mkdirSync(join(root, 'dist', 'node'), { recursive: true });
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function write(path: string, sec: number): void {
    writeFileSync(join(root, path), '');
    utimesSync(join(root, path), sec, sec);
  }

  it('is built from the sources as they are', () => {
    write('src/node/a.ts', 100);
    assert.throws(() => checkBuilt(root), /not built here/);
    write('dist/node/index.js', 200);
    checkBuilt(root);
    write('src/node/a.ts', 300);
    assert.throws(() => checkBuilt(root), /a\.ts is newer than what is built/);
  });
});
