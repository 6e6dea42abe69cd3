import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');

describe('docs/json.md', () => {
  it('lists every event that a command can tell of, and no other', () => {
    const listed = [...readFileSync(join(ROOT, 'docs', 'json.md'), 'utf8').matchAll(/^\| `(\w+)` \|/gm)];
    const used = ['src/daemon/job.ts', 'src/cli/json-reporter.ts'].flatMap((file) => [
      ...readFileSync(join(ROOT, file), 'utf8').matchAll(/\bevent: '(\w+)'/g),
    ]);
    const names = (found: RegExpMatchArray[]): string[] =>
      [...new Set(found.map(([, name = '']) => name))].sort();
    assert.deepEqual(names(listed), names(used));
  });
});
