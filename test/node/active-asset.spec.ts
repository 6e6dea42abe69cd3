import assert from 'node:assert/strict';
import type { ShoalError } from '../../src/errors.ts';
import { ActiveAsset } from '../../src/node/active-asset.ts';
import { AssetSession } from '../../src/swarm/asset-session.ts';
import type { SwarmShell } from '../../src/swarm/swarm-shell.ts';
import { bytesOf, fileOf, MemoryAsset } from '../swarm/shell/memory-asset.ts';

const host = { want: () => {}, hurry: () => {}, leave: () => {}, stats: () => undefined };
const shell = { join: () => new AssetSession({}, host) } as unknown as SwarmShell;

describe('an asset that a node takes part in', () => {
  it('is read from what is restored where the old side could not be closed to make place for another', async () => {
    const file = await fileOf(bytesOf(1000));
    const [old, restored] = [MemoryAsset.full(file), MemoryAsset.full(file)];
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset(shell, file.root, old, events);
    old.close = () => Promise.reject(new Error('the disk is full'));
    const replacing = asset.replace(
      () => assert.fail('the old side still has the files'),
      async () => restored,
    );
    const reading = asset.read(0);
    await assert.rejects(replacing, /the disk is full/);
    assert.equal((await reading).bytes.byteLength, 1000);
    assert.equal(asset.stored, restored);
    assert.ok(!asset.isBroken);
  });

  it('lets a reader go that gives up while place is made for another side', async () => {
    const file = await fileOf(bytesOf(1000));
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset(shell, file.root, MemoryAsset.full(file), events);
    const made = Promise.withResolvers<MemoryAsset>();
    const replacing = asset.replace(
      () => made.promise,
      async () => undefined,
    );
    const stop = new AbortController();
    const reading = asset.read(0, stop.signal);
    stop.abort(new Error('read no more'));
    await assert.rejects(reading, /read no more/);
    made.resolve(MemoryAsset.full(file));
    await replacing;
    assert.equal((await asset.read(0)).bytes.byteLength, 1000);
  });

  it('tells of what the store lost of its own, so that it is opened anew, and not of an original that changed', async () => {
    const file = await fileOf(bytesOf(1000));
    for (const state of ['complete', 'shared']) {
      const stored = Object.assign(MemoryAsset.full(file), { state });
      stored.changed.add(0);
      const told: string[] = [];
      const onError = ({ code }: ShoalError) => void told.push(code);
      const asset = new ActiveAsset(shell, file.root, stored, {
        onError,
        onUpload: () => {},
        onChunk: () => {},
      });
      await assert.rejects(asset.read(0), { code: 'ERR_FILE_CHANGED' });
      assert.deepEqual(told, state === 'complete' ? ['ERR_FILE_CHANGED'] : [], state);
    }
  });
});
