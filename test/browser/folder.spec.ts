import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import type { PageShoal, ShoalError } from '../../src/browser.ts';
import type * as shoalOfPage from '../../src/browser.ts';
import type { Shared, Shoal } from '../../src/index.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';
import { BrowserRig, hashOf, needChromium } from './chromium.ts';

/** What test/browser/chromium.ts puts into the page, and what these tests do. */
declare const shoal: typeof shoalOfPage;
declare global {
  var node: PageShoal;
  /** Stands for what a person picked: see {@link pick}. */
  var picked: FileSystemDirectoryHandle;
}

/** What is in the folder that was picked: each file's hash, or '' for a folder, by path. */
type Contents = Record<string, string>;

/**
 * Picks a folder. No test can use the browser's own dialog; the folders of the origin's private file system have the same
 * handles, and are always permitted.
 */
async function pick(page: Page, name = 'picked'): Promise<void> {
  await page.evaluate(async (name) => {
    const top = await navigator.storage.getDirectory();
    globalThis.picked = await top.getDirectoryHandle(name, { create: true });
  }, name);
}

async function start(page: Page): Promise<void> {
  await page.evaluate(async () => {
    globalThis.node = await shoal.createShoal({ network: 'test' });
  });
}

async function put(page: Page, path: string, text: string): Promise<void> {
  await page.evaluate(
    async ([path, text]) => {
      const parts = path.split('/');
      let folder = globalThis.picked;
      for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create: true });
      const file = await folder.getFileHandle(parts.at(-1) as string, { create: true });
      const writing = await file.createWritable();
      await writing.write(text);
      await writing.close();
    },
    [path, text] as const,
  );
}

async function contents(page: Page): Promise<Contents> {
  return page.evaluate(async () => {
    const found: Record<string, string> = {};
    const look = async (folder: FileSystemDirectoryHandle, above: string): Promise<void> => {
      for await (const [name, handle] of folder.entries()) {
        const path = above + name;
        if (handle.kind === 'directory') {
          found[path] = '';
          await look(handle as FileSystemDirectoryHandle, `${path}/`);
        } else {
          const file = await (handle as FileSystemFileHandle).getFile();
          const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
          found[path] = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
        }
      }
    };
    await look(globalThis.picked, '');
    return found;
  });
}

/** Saves into the folder that was picked. @returns what it resolved to, the phases it went through, and how it failed */
async function save(
  page: Page,
  link: string,
  options: { force?: boolean; stopAt?: string; stopAtWrite?: number } = {},
) {
  return page.evaluate(
    async ([link, { force, stopAt, stopAtWrite }]) => {
      const asset = await globalThis.node.open(link);
      const stop = new AbortController();
      const phases = new Set<string>();
      let last = 0;
      let writes = 0;
      const { write } = WritableStreamDefaultWriter.prototype;
      WritableStreamDefaultWriter.prototype.write = function (piece) {
        if (++writes === stopAtWrite) stop.abort(new Error('enough'));
        return write.call(this, piece);
      };
      try {
        const { durationMs: _durationMs, ...saved } = await asset.save({
          to: globalThis.picked,
          force,
          signal: stop.signal,
          onProgress: ({ phase, bytes, total }) => {
            phases.add(phase);
            last = bytes / total;
            if (phase === stopAt) stop.abort(new Error('enough'));
          },
        });
        return { saved, phases: [...phases], last };
      } catch (error) {
        const { code, message } = error as ShoalError;
        return { code, message, phases: [...phases] };
      } finally {
        WritableStreamDefaultWriter.prototype.write = write;
      }
    },
    [link, options] as const,
  );
}

/** The file that says that not all is there. */
const MARK = /^unfinished-.{8}\.shoal-part$/;

describe('a folder that a person picked', function () {
  let rig: BrowserRig;
  let nodes: TestNodes;
  let seed: Shoal;
  let page: Page;
  const files = { 'a.bin': pseudoRandomBytes(700_001), 'sub/b.bin': pseudoRandomBytes(3_000_000, 2) };
  const whole: Contents = {
    'a.bin': hashOf(files['a.bin']),
    empty: hashOf(new Uint8Array(0)),
    sub: '',
    'sub/again.bin': hashOf(files['a.bin']),
    'sub/b.bin': hashOf(files['sub/b.bin']),
    'sub/hollow': '',
  };
  before(async function () {
    rig = await BrowserRig.start(needChromium(this));
  });
  after(() => rig?.[Symbol.asyncDispose]());
  beforeEach(async () => {
    nodes = await TestNodes.create();
    seed = await nodes.start({ web: true });
    page = await rig.page();
    await start(page);
    await pick(page);
  });
  afterEach(async () => {
    await page?.evaluate(() => globalThis.node?.close());
    await nodes[Symbol.asyncDispose]();
  });

  async function shareTree(): Promise<Shared> {
    await mkdir(nodes.path('tree', 'sub', 'hollow'), { recursive: true });
    await writeFile(nodes.path('tree', 'a.bin'), files['a.bin']);
    await writeFile(nodes.path('tree', 'empty'), '');
    await writeFile(nodes.path('tree', 'sub', 'again.bin'), files['a.bin']);
    await writeFile(nodes.path('tree', 'sub', 'b.bin'), files['sub/b.bin']);
    return seed.share(nodes.path('tree'));
  }

  it('becomes the directory, with its empty files and folders, and tells how far it is', async () => {
    const { link } = await shareTree();
    await put(page, 'mine.txt', 'is left alone');
    const { saved, phases, last } = await save(page, link);
    const bytes = 2 * 700_001 + 3_000_000;
    assert.deepEqual(saved, {
      bytes,
      files: 4,
      filesWritten: 4,
      linksSkipped: [],
      sources: [{ peer: seed.id, bytes: 3_700_001 }],
    });
    assert.deepEqual(phases.slice(-3), ['fetching', 'writing', 'done']);
    assert.equal(last, 1);
    assert.deepEqual(await contents(page), { ...whole, 'mine.txt': hashOf(Buffer.from('is left alone')) });
  });

  it('is made whole again from what it has, which is not fetched', async () => {
    const { link, cid } = await shareTree();
    await save(page, link);
    await page.evaluate(async (cid) => {
      await globalThis.node.remove(cid);
      const sub = await globalThis.picked.getDirectoryHandle('sub');
      await sub.removeEntry('b.bin');
      await sub.removeEntry('again.bin');
    }, cid);
    const again = await save(page, link);
    assert.equal(again.saved?.filesWritten, 2);
    assert.deepEqual(again.saved?.sources, [{ peer: seed.id, bytes: 3_000_000 }]);
    assert.deepEqual(await contents(page), whole);
    // All is there: nothing is fetched, nor kept.
    await page.evaluate((cid) => globalThis.node.remove(cid), cid);
    const checked = await save(page, link);
    assert.deepEqual(checked.saved?.sources, []);
    assert.equal(checked.saved?.filesWritten, 0);
    assert.deepEqual(checked.phases, ['checking', 'done']);
    assert.deepEqual(await contents(page), whole);
  });

  for (const [when, stop] of [
    ['while it is fetched', { stopAt: 'fetching' }],
    ['before it is written', { stopAt: 'writing' }],
    // The mark, four files of one piece and one of several, of which three are in it.
    ['in the middle of a file', { stopAtWrite: 7 }],
  ] as const) {
    it(`has nothing that looks complete when it is aborted ${when}, and goes on`, async () => {
      const { link } = await shareTree();
      const { message } = await save(page, link, stop);
      assert.equal(message, 'enough');
      const left = await contents(page);
      const { [Object.keys(left).find((name) => MARK.test(name)) ?? '']: mark, ...others } = left;
      if ('stopAt' in stop && stop.stopAt === 'fetching') assert.deepEqual(left, {});
      else assert.ok(mark !== undefined);
      for (const [path, hash] of Object.entries(others)) assert.equal(hash, whole[path], path);
      assert.notDeepEqual(others, whole);
      const rest = await save(page, link);
      assert.equal(rest.saved?.bytes, 2 * 700_001 + 3_000_000);
      assert.deepEqual(await contents(page), whole);
    });
  }

  it('goes on after the page died while it wrote', async () => {
    const { link } = await shareTree();
    const context = page.context();
    await page.evaluate(() => {
      const { close } = WritableStreamDefaultWriter.prototype;
      let closed = 0;
      WritableStreamDefaultWriter.prototype.close = function () {
        // The mark, and one file; the others are never done.
        if (++closed <= 2) return close.call(this);
        document.title = 'writes';
        return new Promise(() => {});
      };
    });
    await page.evaluate(async (link) => {
      const asset = await globalThis.node.open(link);
      asset.save({ to: globalThis.picked }).catch(() => {});
    }, link);
    await page.waitForFunction(() => document.title === 'writes');
    const crashed = page.waitForEvent('crash');
    page.goto('chrome://crash').catch(() => {});
    await crashed;
    page = await rig.page({ context });
    await start(page);
    await pick(page);
    const left = await contents(page);
    assert.ok(Object.keys(left).some((name) => MARK.test(name)));
    await save(page, link);
    assert.deepEqual(await contents(page), whole);
  });

  it('keeps a file of other content, unless it may be replaced', async () => {
    const { link } = await shareTree();
    await put(page, 'sub/b.bin', 'mine');
    const before = await contents(page);
    const { code, message } = await save(page, link);
    assert.equal(code, 'ERR_TARGET_EXISTS');
    assert.match(message ?? '', /sub\/b\.bin is in picked already, with other content/);
    assert.deepEqual(await contents(page), before);
    assert.equal((await save(page, link, { force: true })).saved?.filesWritten, 4);
    assert.deepEqual(await contents(page), whole);
  });

  it('is refused where a file is in a folder’s place, or a folder in a file’s', async () => {
    const { link } = await shareTree();
    await put(page, 'sub', 'a file');
    const one = await save(page, link, { force: true });
    assert.equal(one.code, 'ERR_NOT_A_DIRECTORY');
    await pick(page, 'another');
    await put(page, 'a.bin/x', 'in a folder');
    const two = await save(page, link, { force: true });
    assert.equal(two.code, 'ERR_TARGET_EXISTS');
    assert.deepEqual(Object.keys(await contents(page)), ['a.bin', 'a.bin/x']);
  });

  it('is for directories, and a file for files', async () => {
    const file = await seed.share(pseudoRandomBytes(1000));
    assert.equal((await save(page, file.link)).code, 'ERR_NOT_A_DIRECTORY');
    const { link } = await shareTree();
    const code = await page.evaluate(async (link) => {
      const to = await globalThis.picked.getFileHandle('a', { create: true });
      const asset = await globalThis.node.open(link);
      return asset.save({ to }).catch((error: ShoalError) => error.code);
    }, link);
    assert.equal(code, 'ERR_NOT_A_FILE');
  });

  it('gets no names that Windows or the browser cannot store', async () => {
    for (const name of ['con.txt', 'a:b', 'dot.']) {
      await mkdir(nodes.path(name, 'sub'), { recursive: true });
      await writeFile(nodes.path(name, 'sub', name), 'a');
      const { link } = await seed.share(nodes.path(name));
      const { code, message } = await save(page, link);
      assert.equal(code, 'ERR_UNSAFE_NAME');
      assert.ok(message?.includes(JSON.stringify(`sub/${name}`)), message);
    }
    // Chromium takes such a name in its private files and refuses it elsewhere.
    await page.evaluate(() => {
      const { getFileHandle } = FileSystemDirectoryHandle.prototype;
      FileSystemDirectoryHandle.prototype.getFileHandle = function (name, options) {
        if (name.endsWith('.lnk')) return Promise.reject(new TypeError('Name is not allowed.'));
        return getFileHandle.call(this, name, options);
      };
    });
    await mkdir(nodes.path('links', 'sub'), { recursive: true });
    await writeFile(nodes.path('links', 'sub', 'x.lnk'), 'a');
    const { link } = await seed.share(nodes.path('links'));
    const { code, message } = await save(page, link);
    assert.equal(code, 'ERR_UNSAFE_NAME');
    assert.match(message ?? '', /x\.lnk/);
    assert.deepEqual(await contents(page), {});
  });

  it('gets no two names that are one there', async () => {
    await mkdir(nodes.path('two'));
    await writeFile(nodes.path('two', 'Read.me'), 'one');
    await writeFile(nodes.path('two', 'read.me'), 'two');
    const { link } = await seed.share(nodes.path('two'));
    await save(page, link);
    assert.deepEqual(Object.keys(await contents(page)).sort(), ['Read.me', 'read.me']);
    await pick(page, 'blind');
    await page.evaluate(() => {
      // As on a file system that ignores case.
      const { getFileHandle } = FileSystemDirectoryHandle.prototype;
      FileSystemDirectoryHandle.prototype.getFileHandle = async function (name, options) {
        for await (const there of this.keys())
          if (there.toLowerCase() === name.toLowerCase()) return getFileHandle.call(this, there, options);
        return getFileHandle.call(this, name, options);
      };
    });
    const { code, message } = await save(page, link);
    assert.equal(code, 'ERR_NAME_COLLISION');
    assert.match(message ?? '', /"read\.me" and "Read\.me" are one name/);
    assert.deepEqual(await contents(page), {});
    // Where only some names are one, as on a file system that tells no Unicode forms apart, the second is not written over the first.
    await page.evaluate(() => {
      const { getFileHandle } = FileSystemDirectoryHandle.prototype;
      FileSystemDirectoryHandle.prototype.getFileHandle = function (name, options) {
        if (name.startsWith('UNFINISHED')) return Promise.reject(new DOMException('no', 'NotFoundError'));
        return getFileHandle.call(this, name, options);
      };
    });
    const late = await save(page, link);
    assert.equal(late.code, 'ERR_NAME_COLLISION');
    assert.ok(Object.keys(await contents(page)).some((name) => MARK.test(name)));
  });

  it('says what the browser or the disk refuse, and leaves no half of a file', async () => {
    const { link } = await shareTree();
    const failing = async (name: string, method: 'write' | 'close') => {
      await page.evaluate(
        ([name, method]) => {
          const { prototype } = WritableStreamDefaultWriter;
          const { [method]: old } = prototype;
          let calls = 0;
          Object.assign(prototype, {
            // The mark can be written.
            [method](this: WritableStreamDefaultWriter, ...args: unknown[]) {
              return ++calls === 1
                ? Reflect.apply(old, this, args)
                : Promise.reject(new DOMException('no', name));
            },
          });
          // A file that was being written cannot be removed at once.
          const { removeEntry } = FileSystemDirectoryHandle.prototype;
          const busy = new Set<string>();
          FileSystemDirectoryHandle.prototype.removeEntry = function (name, options) {
            if (busy.has(name)) return removeEntry.call(this, name, options);
            busy.add(name);
            return Promise.reject(new DOMException('no', 'NoModificationAllowedError'));
          };
          Object.assign(globalThis, {
            heal() {
              Object.assign(prototype, { [method]: old });
              Object.assign(FileSystemDirectoryHandle.prototype, { removeEntry });
            },
          });
        },
        [name, method] as const,
      );
      const failed = await save(page, link);
      await page.evaluate('heal()');
      const left = Object.entries(await contents(page));
      for (const [path, hash] of left) if (!MARK.test(path)) assert.equal(hash, whole[path], path);
      assert.ok(!left.some(([path]) => path.endsWith('.bin')));
      return failed.code;
    };
    assert.equal(await failing('QuotaExceededError', 'write'), 'ERR_DISK_FULL');
    assert.equal(await failing('QuotaExceededError', 'close'), 'ERR_DISK_FULL');
    assert.equal(await failing('AbortError', 'close'), 'ERR_ACCESS');
    assert.equal(await failing('InvalidStateError', 'write'), 'ERR_IO');
    await save(page, link);
    assert.deepEqual(await contents(page), whole);
    await pick(page, 'gone');
    await page.evaluate(async () =>
      (await navigator.storage.getDirectory()).removeEntry('gone', { recursive: true }),
    );
    assert.equal((await save(page, link)).code, 'ERR_NOT_FOUND');
  });

  it('asks before anything is fetched whether it may write there', async () => {
    const { link, cid } = await shareTree();
    const asking = (now: string, answer: string) =>
      page.evaluate(
        ([now, answer]) => {
          Object.assign(FileSystemHandle.prototype, {
            queryPermission: async () => now,
            requestPermission: async () => answer,
          });
        },
        [now, answer] as const,
      );
    await asking('denied', 'granted');
    assert.equal((await save(page, link)).code, 'ERR_ACCESS');
    await asking('prompt', 'denied');
    assert.equal((await save(page, link)).code, 'ERR_ACCESS');
    const kept = await page.evaluate(async (cid) => {
      for await (const each of globalThis.node.list()) if (each.cid === cid) return each.bytesHere;
      return undefined;
    }, cid);
    assert.equal(kept, 0);
    await asking('prompt', 'granted');
    assert.equal((await save(page, link)).code, undefined);
    assert.deepEqual(await contents(page), whole);
  });

  it('takes two saves at once one after the other, and leaves links out', async () => {
    await mkdir(nodes.path('linked'));
    await writeFile(nodes.path('linked', 'a'), pseudoRandomBytes(300_000));
    await symlink('a', nodes.path('linked', 'b'));
    const { link } = await seed.share(nodes.path('linked'));
    const both = await Promise.all([save(page, link), save(page, link)]);
    assert.deepEqual(both.map(({ saved }) => saved?.filesWritten).sort(), [0, 1]);
    assert.deepEqual(both[0].saved?.linksSkipped, ['b']);
    assert.deepEqual(Object.keys(await contents(page)), ['a']);
  });

  it('is left as it is, and says so, when the node is closed in the middle', async () => {
    const { link } = await shareTree();
    const message = await page.evaluate(async (link) => {
      const asset = await globalThis.node.open(link);
      const saving = asset.save({
        to: globalThis.picked,
        onProgress: ({ phase }) => phase === 'writing' && void globalThis.node.close(),
      });
      return saving.catch((error: ShoalError) => error.code);
    }, link);
    assert.equal(message, 'ERR_CLOSED');
    const left = await contents(page);
    assert.ok(Object.keys(left).some((name) => MARK.test(name)));
    for (const [path, hash] of Object.entries(left)) if (!MARK.test(path)) assert.equal(hash, whole[path]);
  });
});
