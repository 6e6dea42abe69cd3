import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

async function codesIn(text: Promise<string>, pattern: RegExp): Promise<string[]> {
  return [...(await text).matchAll(pattern)].map((match) => match[1] ?? '');
}

describe('docs/errors.md', () => {
  it('lists every code that the source can give, and no other', async () => {
    const files = (await readdir(join(ROOT, 'src'), { recursive: true })).filter((file) =>
      file.endsWith('.ts'),
    );
    const used = await Promise.all(
      files.map((file) => codesIn(readFile(join(ROOT, 'src', file), 'utf8'), /['(](ERR_[A-Z_]+)[')]/g)),
    );
    const listed = await codesIn(readFile(join(ROOT, 'docs', 'errors.md'), 'utf8'), /`(ERR_[A-Z_]+)`/g);
    assert.deepEqual([...new Set(listed)].sort(), [...new Set(used.flat())].sort());
  });
});
