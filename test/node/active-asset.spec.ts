import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { ShoalError } from '../../src/errors.ts';
import { ActiveAsset } from '../../src/node/active-asset.ts';
import { AssetSession } from '../../src/swarm/asset-session.ts';
import type { JoinOptions, SwarmShell } from '../../src/swarm/swarm-shell.ts';
import { bytesOf, fileOf, MemoryAsset } from '../swarm/shell/memory-asset.ts';

const host = { want: () => {}, hurry: () => {}, leave: () => {}, stats: () => undefined };
const shell = { join: () => new AssetSession({}, host) } as unknown as SwarmShell;

describe('an asset that a node takes part in', () => {
  afterEach(() => mock.timers.reset());

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

  it('tells a reader of what is here why it was closed', async () => {
    const file = await fileOf(bytesOf(1000));
    const stored = MemoryAsset.full(file);
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset(shell, file.root, stored, events);
    await asset.close();
    stored.read = () => Promise.reject(new ShoalError('ERR_CLOSED', 'it has been closed here'));
    await assert.rejects(asset.read(0), { code: 'ERR_CLOSED', message: /was removed or opened anew/ });
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

  it('counts a chunk once that comes from two peers', async () => {
    const file = await fileOf(bytesOf(2 * 65_536));
    const parts: JoinOptions[] = [];
    const joining = {
      join: (_stored: unknown, options: JoinOptions) => {
        parts.push(options);
        return new AssetSession({}, host);
      },
    };
    const told: [number, string][] = [];
    const onChunk = (chunk: number, _bytes: number, peer: string) => void told.push([chunk, peer]);
    const events = { onError: () => {}, onUpload: () => {}, onChunk };
    const asset = new ActiveAsset(
      joining as unknown as SwarmShell,
      file.root,
      MemoryAsset.empty(file),
      events,
    );
    const followed: [number, string][] = [];
    using _follow = asset.follow((chunk, _bytes, peer) => void followed.push([chunk, peer]));
    for (const peer of ['a', 'b']) parts[0]?.onChunk?.(1, peer);
    assert.deepEqual([told, followed], [[[1, 'a']], [[1, 'a']]]);
  });

  /** A download with all but its last chunk, and what its parts in the swarm are told, the newest last. */
  async function download() {
    const file = await fileOf(bytesOf(4 * 65_536));
    const stored = MemoryAsset.empty(file);
    const full = MemoryAsset.full(file);
    const put = async (chunk: number): Promise<void> => stored.write(chunk, await full.read(chunk));
    for (const chunk of [0, 1, 2]) await put(chunk);
    stored.read = async (chunk) => {
      stored.here.clear(chunk);
      throw new ShoalError('ERR_FILE_CHANGED', `chunk ${chunk} is fetched again`);
    };
    const parts: JoinOptions[] = [];
    const join = (_stored: unknown, options: JoinOptions): AssetSession => {
      parts.push(options);
      return new AssetSession({}, host);
    };
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset({ join } as unknown as SwarmShell, file.root, stored, events);
    const arrives = async (chunk: number): Promise<void> => {
      await put(chunk);
      parts.at(-1)?.onChunk?.(chunk, 'peer');
    };
    return { asset, stored, parts, arrives };
  }

  it('tells the exchange what a thousand readers want in one go, and wakes those alone who wait for what came', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const file = await fileOf(bytesOf(64 * 65_536));
    let part: JoinOptions | undefined;
    const wanted: unknown[] = [];
    let hurries = 0;
    const told = {
      ...host,
      want: (chunks: unknown) => void wanted.push(chunks),
      hurry: () => void hurries++,
    };
    const joining = {
      join: (_stored: unknown, options: JoinOptions) => {
        part = options;
        return new AssetSession({}, told);
      },
    };
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset(
      joining as unknown as SwarmShell,
      file.root,
      MemoryAsset.empty(file),
      events,
    );
    const chunks = asset.stored.manifest.chunkCount;
    const { signal } = new AbortController();
    const readers = Array.from({ length: 1000 }, (_, i) =>
      asset.want({
        wanted: [{ from: i % (chunks / 2), count: 3 }],
        urgent: { chunks: [i % chunks], dueInMs: [0] },
      }),
    );
    mock.timers.tick(1000);
    for (const reader of readers) reader.update();
    mock.timers.tick(1000);
    assert.ok(wanted.length <= 10, `${wanted.length} times`);
    assert.deepEqual(wanted.at(-1), [{ from: 0, count: chunks / 2 + 2 }]);
    assert.equal(hurries, 1);
    let listened = 0;
    signal.addEventListener = () => void listened++;
    const waiting = readers.map((_, i) => asset.waitFor([i % chunks], signal));
    assert.equal(listened, 1000);
    for (let chunk = 0; chunk < chunks; chunk++) part?.onChunk?.(chunk, 'a');
    await Promise.all(waiting);
    // Whoever was woken for nothing would have begun to listen again.
    assert.equal(listened, 1000);
    for (const reader of readers) reader[Symbol.dispose]();
    assert.equal(wanted.at(-1), 'none');
  });

  it('waits for what the disk lost of a download once more, and fails where it loses that again', async () => {
    const { asset, stored, parts, arrives } = await download();
    /** As the exchange has it read, for a peer. */
    const send = (chunk: number): Promise<void> =>
      stored.read(chunk).then(
        () => {},
        (error: ShoalError) => parts.at(-1)?.onUnread?.(chunk, error),
      );
    const waiting = asset.waitFor('all', new AbortController().signal);
    await send(1);
    await arrives(3);
    assert.equal(asset.isComplete, false);
    await arrives(1);
    await waiting;
    const again = asset.waitFor('all', new AbortController().signal);
    await again;
    await send(1);
    await assert.rejects(asset.waitFor('all', new AbortController().signal), { code: 'ERR_FILE_CHANGED' });
  });

  it('goes on with a download of which two peers ask for the same chunk that the disk has lost', async () => {
    const { asset, parts, arrives } = await download();
    const waiting = asset.waitFor('all', new AbortController().signal);
    await assert.rejects(asset.stored.read(1), (error: ShoalError) => {
      parts.at(-1)?.onUnread?.(1, error);
      parts.at(-1)?.onUnread?.(1, error);
      return true;
    });
    for (const chunk of [1, 3]) await arrives(chunk);
    await waiting;
  });

  it('goes on with a download of which a chunk could not be read for a peer once, and fails where it cannot again', async () => {
    const { asset, parts, arrives } = await download();
    using _want = asset.want({ wanted: 'all', urgent: { chunks: [], dueInMs: [] } });
    const unread = (chunk: number): void =>
      parts.at(-1)?.onUnread?.(chunk, new ShoalError('ERR_TOO_MANY_FILES', 'too many open files'));
    const { signal } = new AbortController();
    const waiting = asset.waitFor('all', signal);
    for (const chunk of [0, 1, 2]) unread(chunk);
    unread(1);
    await assert.rejects(waiting, { code: 'ERR_TOO_MANY_FILES' });
    using _again = asset.want({ wanted: 'all', urgent: { chunks: [], dueInMs: [] } });
    const waitingAgain = asset.waitFor('all', signal);
    unread(1);
    await arrives(3);
    await waitingAgain;
  });

  it('tells the exchange of what the disk lost when a reader finds it', async () => {
    const { asset, parts } = await download();
    await assert.rejects(asset.read(2), { code: 'ERR_FILE_CHANGED' });
    assert.equal(asset.have.has(2), false);
    assert.equal(parts.length, 2);
  });
});
