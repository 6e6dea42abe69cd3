import assert from 'node:assert/strict';
import { mkdir, realpath, symlink } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import fc from 'fast-check';
import type { Manifest } from '../../src/integrity/manifest.ts';
import { checkCollisions, checkNames, isInsideLink } from '../../src/store/entry-names.ts';
import { tempFolder } from './temp-folder.ts';

describe('A link of an asset', () => {
  for (const [path, target, isInside] of [
    ['link', 'file', true],
    ['link', './a//b/', true],
    ['link', '.', true],
    ['a/b/link', '../../file', true],
    ['a/b/link', '../..', true],
    ['a/b/link', '../../../file', false],
    ['link', '..', false],
    ['link', '/etc/passwd', false],
    ['link', 'a/../b', false],
    ['link', 'a/../../b', false],
    ['link', '', false],
    ['link', 'C:/windows', false],
    ['link', '..\\..\\x', false],
    ['link', 'a\0b', false],
  ] as const) {
    it(`at ${path} to ${JSON.stringify(target)} is ${isInside ? 'made' : 'not made'}`, () => {
      assert.equal(isInsideLink({ path: path.split('/'), target }), isInside);
    });
  }

  it('that is made never leads out of the asset, whatever other links there are', async () => {
    const part = fc.constantFrom('..', '.', 'a', 'b', 'c');
    const link = fc.record({
      path: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 }),
      target: fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/')),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(link, { maxLength: 8 }), async (links) => {
        await using folder = await tempFolder();
        const base = join(await realpath(folder.path), 'x', 'asset');
        await mkdir(base, { recursive: true });
        const made: string[] = [];
        for (const { path, target } of links) {
          if (!isInsideLink({ path, target })) continue;
          const full = join(base, ...path);
          // As in an asset: folders are folders, and a link is where nothing else is.
          const parent = await mkdir(dirname(full), { recursive: true }).then(
            () => realpath(dirname(full)),
            () => '',
          );
          if (parent !== dirname(full)) continue;
          await symlink(target, full).then(
            () => made.push(full),
            () => {},
          );
        }
        for (const path of made) {
          const end = await realpath(path).catch(() => base);
          assert.ok(end === base || end.startsWith(base + sep), `${path} leads to ${end}`);
        }
      }),
      { numRuns: 200 },
    );
  });
});

const withNames = (...names: string[]): Manifest =>
  ({ entries: names.map((name) => ({ type: 'directory', path: name.split('|') })) }) as unknown as Manifest;

describe('The names of an asset', () => {
  it('are refused where they could leave their folder', () => {
    for (const name of ['..', '.', 'a/b', 'a\\b', 'a\0', ''])
      assert.throws(() => checkNames(withNames(name)), { code: 'ERR_UNSAFE_NAME' });
    checkNames(withNames('a', 'a|b', 'пример 🐟'), 'linux');
  });

  it('are refused on Windows where they mean something else there', () => {
    for (const name of ['con', 'a:b', 'a.', 'a ', 'NUL.txt']) {
      assert.throws(() => checkNames(withNames(name), 'win32'), { code: 'ERR_UNSAFE_NAME' });
      checkNames(withNames(name), 'linux');
    }
  });

  it('are refused where two of them are one on a file system that ignores case', () => {
    assert.throws(() => checkCollisions(withNames('Read', 'read')), { code: 'ERR_NAME_COLLISION' });
    checkCollisions(withNames('Read', 'a|read'));
  });
});
