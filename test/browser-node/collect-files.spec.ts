import assert from 'node:assert/strict';
import { collectFiles } from '../../src/browser-node/collect-files.ts';
import type { PageShareSource } from '../../src/browser-api.ts';

/** Stands in for the browser's own, by which handles are known. */
class TestHandle {
  readonly kind: 'file' | 'directory';
  readonly name: string;
  readonly below: readonly TestHandle[];
  readonly getFile: () => Promise<Blob>;

  constructor(name: string, below: readonly TestHandle[] | (() => void)) {
    this.name = name;
    this.kind = typeof below === 'function' ? 'file' : 'directory';
    this.below = typeof below === 'function' ? [] : below;
    this.getFile = async () => {
      if (typeof below === 'function') below();
      return new Blob(['content']);
    };
  }

  async *values(): AsyncGenerator<TestHandle> {
    yield* this.below;
  }
}

describe('what a person chose', () => {
  before(() => Object.assign(globalThis, { FileSystemHandle: TestHandle }));
  after(() => Reflect.deleteProperty(globalThis, 'FileSystemHandle'));

  it('is looked for no further when that is aborted', async () => {
    const stop = new AbortController();
    let looked = 0;
    const file = (): TestHandle =>
      new TestHandle(`f${looked}`, () => {
        if (++looked === 3) stop.abort(new Error('enough'));
      });
    const folder = new TestHandle('folder', [
      new TestHandle('first', Array.from({ length: 10 }, file)),
      ...Array.from({ length: 10 }, file),
    ]);
    const collecting = collectFiles(folder as unknown as PageShareSource, stop.signal);
    await assert.rejects(collecting, /enough/);
    assert.equal(looked, 3);
  });
});
