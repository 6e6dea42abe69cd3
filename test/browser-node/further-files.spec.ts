import assert from 'node:assert/strict';
import { shareFiles } from '../../src/browser-node/further-files.ts';
import type { PageShareSource } from '../../src/browser-api.ts';
import type { PageStore } from '../../src/browser-store/page-store.ts';

/** A folder that has ever another file. */
class EndlessFolder {
  readonly kind = 'directory';
  readonly name = 'endless';
  given = 0;
  readonly #onFile: (count: number) => void;

  constructor(onFile: (count: number) => void) {
    this.#onFile = onFile;
  }

  async *values() {
    for (;;) {
      this.#onFile(++this.given);
      const file = { kind: 'file', name: `${this.given}`, getFile: async () => new File([], '') };
      yield Object.setPrototypeOf(file, EndlessFolder.prototype) as object;
    }
  }
}

describe('sharing in a page', () => {
  const stop = new Error('enough');
  const store = {} as PageStore;
  const builtIn = (globalThis as { FileSystemHandle?: unknown }).FileSystemHandle;
  before(() => Object.assign(globalThis, { FileSystemHandle: EndlessFolder }));
  after(() => {
    if (builtIn) Object.assign(globalThis, { FileSystemHandle: builtIn });
    else Reflect.deleteProperty(globalThis, 'FileSystemHandle');
  });

  it('ends while a folder is looked through', async () => {
    const ended = new AbortController();
    const folder = new EndlessFolder((count) => {
      if (count === 100) ended.abort(stop);
      if (count > 1000) throw new Error('nobody stops');
    });
    const sharing = shareFiles(store, folder as unknown as PageShareSource, { signal: ended.signal });
    await assert.rejects(sharing, stop);
    assert.equal(folder.given, 100);
  });
});
