import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Dice } from './dice.ts';

const NAMES = [
  'a',
  'B',
  'größe',
  '文件',
  'with space',
  "quote'",
  '-dash',
  '.hidden',
  'x'.repeat(120),
  '%41',
  'é',
];

/** What a person may share: one file of any size, a tree of files, or thousands of small ones. @returns its path */
export async function makeContent(dice: Dice, folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  const kind = dice.pick(['file', 'file', 'tree', 'tree', 'many']);
  if (kind === 'file') {
    await writeFile(path, dice.bytes(dice.chance(0.5) ? dice.int(0, 24 << 20) : dice.sizeUpTo(24 << 20)));
    return path;
  }
  await mkdir(path);
  const folders = [path];
  const count = kind === 'many' ? dice.int(500, 2000) : dice.int(1, 60);
  for (let n = 0; n < count; n++) {
    const parent = dice.pick(folders);
    if (dice.chance(0.1)) {
      const inner = join(parent, `d${n}-${dice.pick(NAMES)}`);
      await mkdir(inner);
      folders.push(inner);
    }
    const file = join(parent, `${n}-${dice.pick(NAMES)}`);
    if (dice.chance(0.05)) await symlink(dice.pick(['nowhere', '0-a', 'x/y']), file);
    else await writeFile(file, dice.bytes(dice.sizeUpTo(kind === 'many' ? 8 << 10 : 1 << 20)));
  }
  return path;
}

/** Every entry below a path with its kind and content, so that two places can be compared. */
export async function listContent(path: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (at: string): Promise<void> => {
    for (const entry of await readdir(at, { withFileTypes: true })) {
      const inner = join(at, entry.name);
      const name = relative(path, inner);
      if (entry.isSymbolicLink()) found.set(name, `link ${await readlink(inner)}`);
      else if (entry.isDirectory()) {
        found.set(name, 'folder');
        await walk(inner);
      } else found.set(name, await hashOf(inner));
    }
  };
  try {
    await walk(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOTDIR') throw error;
    found.set('', await hashOf(path));
  }
  return found;
}

async function hashOf(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}

/** @returns what differs, in words; empty where nothing does */
export function differences(expected: Map<string, string>, actual: Map<string, string>): string[] {
  return [
    ...[...expected]
      .filter(([name, value]) => actual.get(name) !== value)
      .map(([name]) => `not as it was: ${name}`),
    ...[...actual.keys()].filter((name) => !expected.has(name)).map((name) => `not of the asset: ${name}`),
  ];
}
