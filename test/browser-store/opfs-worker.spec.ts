import assert from 'node:assert/strict';
import type { OpfsAnswer, OpfsRequest } from '../../src/browser-store/opfs-protocol.ts';
import { withGlobals } from './globals.ts';

/** The private files of a site, of which each can be open once, on a disk that can be full. */
class Disk {
  isFull = false;
  readonly #open = new Set<string>();

  folder(path: string): object {
    return {
      getDirectoryHandle: async (name: string) => this.folder(`${path}/${name}`),
      getFileHandle: async (name: string) => ({
        createSyncAccessHandle: async () => this.#openFile(`${path}/${name}`),
      }),
      removeEntry: async () => this.#checkClosed(),
    };
  }

  #openFile(path: string): object {
    this.#open.add(path);
    let size = 0;
    return {
      read: () => 0,
      write: ({ byteLength }: Uint8Array) => {
        if (this.isFull) throw new DOMException('no room', 'QuotaExceededError');
        size += byteLength;
        return byteLength;
      },
      truncate: (to: number) => (size = to),
      getSize: () => size,
      close: () => this.#open.delete(path),
    };
  }

  #checkClosed(): void {
    if (this.#open.size > 0) throw new DOMException('in use', 'NoModificationAllowedError');
  }
}

describe('the worker that writes a page’s files', () => {
  it('leaves none of them open where there is no room for the bitmap', async () => {
    const disk = new Disk();
    const answers: OpfsAnswer[] = [];
    const worker = {
      navigator: { storage: { getDirectory: async () => disk.folder('') } },
      postMessage: (answer: OpfsAnswer) => answers.push(answer),
      onmessage: (_event: { data: { id: number; request: OpfsRequest } }) => {},
    };
    using _globals = withGlobals(worker);
    await import('../../src/browser-store/opfs-worker.ts');
    const { onmessage } = globalThis as unknown as typeof worker;
    const ask = async (request: OpfsRequest) => {
      onmessage({ data: { id: 0, request } });
      while (answers.length === 0) await new Promise((resolve) => setImmediate(resolve));
      return answers.shift();
    };
    disk.isFull = true;
    const full = await ask({ op: 'open', root: 'bafy', bytes: 1000, bitmapBytes: 1 });
    assert.equal(full && 'error' in full && full.error.name, 'QuotaExceededError');
    disk.isFull = false;
    assert.deepEqual(await ask({ op: 'remove', root: 'bafy' }), { id: 0, bytes: undefined });
  });
});
