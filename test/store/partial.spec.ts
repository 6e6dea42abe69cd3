import assert from 'node:assert/strict';
import type { BitmapFile } from '../../src/store/bitmap-file.ts';
import { HandlePool } from '../../src/store/handle-pool.ts';
import { Partial } from '../../src/store/partial.ts';
import { Seals } from '../../src/store/seals.ts';
import { MANY_FILES, type SmallFiles, type SmallRead } from '../../src/store/small-files.ts';
import { bytesOf, CHUNK, remoteTree } from './assets.ts';

describe('The files of a download', () => {
  it('are not moved from under who reads them', async () => {
    const files = Array.from({ length: MANY_FILES }, (_, i) => [`f${i}`, bytesOf(CHUNK, i)]);
    const asset = await remoteTree(Object.fromEntries(files));
    const read = Promise.withResolvers<SmallRead>();
    const partial = new Partial({
      manifest: asset.manifest,
      base: '/partial',
      bitmap: { mark: async () => {} } as unknown as BitmapFile,
      pool: new HandlePool(),
      small: { write: async () => {}, read: () => read.promise } as unknown as SmallFiles,
      seals: new Seals(),
      onBytesHere: () => {},
    });
    const chunk = await asset.chunk(0);
    await partial.write(0, chunk);

    const order: string[] = [];
    const reading = partial.read(0).then(() => order.push('read'));
    const moving = partial.pause(async () => void order.push('moved'));
    const later = partial.read(0).then(() => order.push('read after'));
    // All that could run by now has.
    await new Promise(setImmediate);
    read.resolve({ bytes: chunk.bytes, stamp: { size: 0n, mtimeNs: 0n } });
    await Promise.all([reading, moving, later]);
    assert.deepEqual(order, ['read', 'moved', 'read after']);
  });
});
