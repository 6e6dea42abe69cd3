import assert from 'node:assert/strict';
import type * as chosenFiles from '../../examples/web/chosen-files.ts';
import { collectFiles } from '../../src/browser-node/collect-files.ts';

/** A file as a browser gives it where a folder was chosen. */
function fileOf(path: string): File {
  const file = new File(['x'], path.split('/').at(-1) ?? '');
  return Object.assign(file, { webkitRelativePath: path.includes('/') ? path : '' });
}

interface Folder {
  [name: string]: Folder | File;
}

/** An entry as a browser gives it for what was dropped. */
function entryOf(name: string, what: Folder | File): object {
  if (what instanceof File) return { name, isFile: true, file: (give: (file: File) => void) => give(what) };
  const below = Object.entries(what).map(([child, each]) => entryOf(child, each));
  const createReader = () => ({ readEntries: (give: (some: object[]) => void) => give(below.splice(0, 1)) });
  return { name, isFile: false, createReader };
}

function dropOf(what: Folder): DataTransfer {
  const items = Object.entries(what).map(([name, each]) => ({
    kind: 'file',
    webkitGetAsEntry: () => entryOf(name, each),
  }));
  return { items } as unknown as DataTransfer;
}

describe('what a person chose, in a browser without handles', () => {
  let files: typeof chosenFiles;
  before(async () => {
    const had = 'window' in globalThis;
    if (!had) Object.assign(globalThis, { window: {} });
    files = await import('../../examples/web/chosen-files.ts');
    if (!had) Reflect.deleteProperty(globalThis, 'window');
  });

  /** What the SDK makes of it. */
  async function shared(chosen: ReturnType<typeof chosenFiles.chosenOf>) {
    assert.ok(chosen);
    const source = chosen.files instanceof File ? chosen.files : [...chosen.files];
    const { files } = await collectFiles(source);
    return { name: chosen.name, paths: files.map(({ path }) => path) };
  }

  const chosen = async (...paths: string[]) => shared(files.chosenOf(paths.map(fileOf) as never));
  const dropped = async (what: Folder) => shared(await files.droppedOf(dropOf(what)));

  it('is a folder, also one with a single file or folder in it', async () => {
    const file = fileOf('film.mp4');
    for (const found of [await chosen('Holiday/film.mp4'), await dropped({ Holiday: { 'film.mp4': file } })])
      assert.deepEqual(found, { name: 'Holiday', paths: ['film.mp4'] });
    for (const found of [
      await chosen('Holiday/day 1/a', 'Holiday/day 1/b'),
      await dropped({ Holiday: { 'day 1': { a: file, b: file } } }),
    ])
      assert.deepEqual(found, { name: 'Holiday', paths: ['day 1/a', 'day 1/b'] });
  });

  it('is a file alone, or several things', async () => {
    const file = fileOf('film.mp4');
    for (const found of [await chosen('film.mp4'), await dropped({ 'film.mp4': file })])
      assert.deepEqual(found, { name: 'film.mp4', paths: [''] });
    assert.deepEqual(await chosen('a', 'b'), { name: '2 files', paths: ['a', 'b'] });
    assert.deepEqual(await dropped({ one: { a: file }, two: { b: file }, c: file }), {
      name: '3 files',
      paths: ['one/a', 'two/b', 'c'],
    });
  });
});
