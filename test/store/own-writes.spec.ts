import assert from 'node:assert/strict';
import { FileStamps, type FileStamp } from '../../src/store/file-stamps.ts';
import { OwnWrites } from '../../src/store/own-writes.ts';

/** A file whose time is the number of writes to it. */
class WrittenFile {
  writes = 0n;
  readonly own = new OwnWrites(1);
  readonly look = (): FileStamp => ({ size: 1n, mtimeNs: this.writes });

  write(until?: Promise<void>): Promise<void> {
    return this.own.run(0, this.look, async () => {
      this.writes++;
      await until;
    });
  }

  get isSuspect(): boolean {
    const now = new FileStamps(1);
    now.set(0, this.look());
    return this.own.isSuspect(0, now);
  }
}

describe('Who wrote to a file of a download', () => {
  it('was the download, however its writes overlap', async () => {
    const file = new WrittenFile();
    const held = Promise.withResolvers<void>();
    const first = file.write(held.promise);
    // It has written, and the file has another time by now.
    await new Promise(setImmediate);
    await file.write();
    const third = file.write();
    held.resolve();
    await Promise.all([first, third]);
    await file.write();
    assert.ok(!file.isSuspect);
  });

  it('is known before anything is written', async () => {
    const order: string[] = [];
    const looked = Promise.withResolvers<FileStamp>();
    const look = (): Promise<FileStamp> => looked.promise.finally(() => order.push('looked'));
    const writing = new OwnWrites(1).run(0, look, async () => void order.push('written'));
    await new Promise(setImmediate);
    looked.resolve({ size: 1n, mtimeNs: 0n });
    await writing;
    assert.deepEqual(order, ['looked', 'written', 'looked']);
  });

  it('was somebody else where it has another time than after the last own write', async () => {
    const file = new WrittenFile();
    await file.write();
    file.writes++;
    assert.ok(file.isSuspect);
    // No later own write hides it.
    await file.write();
    assert.ok(file.isSuspect);
    file.own.settle(0, file.look());
    assert.ok(!file.isSuspect);
  });

  it('was somebody else where it changed since it was first read', async () => {
    const file = new WrittenFile();
    assert.ok(!file.isSuspect);
    await file.own.noteFirst(0, file.look);
    assert.ok(!file.isSuspect);
    file.writes++;
    // What is read later is no first look.
    await file.own.noteFirst(0, file.look);
    assert.ok(file.isSuspect);
  });

  it('may have been anybody where it could not be looked at', async () => {
    const file = new WrittenFile();
    await file.own.run(
      0,
      () => {
        throw new Error('not now');
      },
      async () => {},
    );
    assert.ok(file.isSuspect);
  });

  it('may have been the download before a small file was looked at for the first time', () => {
    const file = new WrittenFile();
    file.own.wrote(0, { size: 1n, mtimeNs: 5n }, file.look());
    assert.ok(!file.isSuspect);
    file.own.wrote(0, { size: 1n, mtimeNs: 5n }, file.look());
    assert.ok(file.isSuspect);
  });
});
