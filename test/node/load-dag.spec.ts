import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { ActiveAsset } from '../../src/node/active-asset.ts';
import type { SearchPlaces } from '../../src/node/discovery.ts';
import { withSearch } from '../../src/node/load-dag.ts';
import type { NodeContext } from '../../src/node/node-context.ts';
import { AssetSession } from '../../src/swarm/asset-session.ts';
import type { JoinOptions, SwarmShell } from '../../src/swarm/swarm-shell.ts';
import { bytesOf, fileOf, MemoryAsset } from '../swarm/shell/memory-asset.ts';

describe('the search for peers of a download', () => {
  afterEach(() => mock.reset());

  it('has not found the swarm where those in it are too few, or give nothing', async () => {
    let nowMs = 0;
    mock.method(performance, 'now', () => nowMs);
    const file = await fileOf(bytesOf(1000));
    let peers = 1;
    let bytesCame = (_bytes: number): void => {};
    const shell = {
      join: (_stored: unknown, options: JoinOptions) => {
        bytesCame = options.onBytes ?? bytesCame;
        const stats = () => ({ receivedByPeer: new Map(), peers, left: 0, failed: [], bytesPerSec: 0 });
        return new AssetSession({}, { want: () => {}, hurry: () => {}, leave: () => {}, stats });
      },
    };
    const events = { onError: () => {}, onUpload: () => {}, onChunk: () => {} };
    const asset = new ActiveAsset(shell as unknown as SwarmShell, file.root, MemoryAsset.empty(file), events);
    let isFound = (): boolean => assert.fail('nobody looks for it');
    const search = (_root: unknown, _places: SearchPlaces, _tell: unknown, hasEnough: () => boolean) => {
      isFound = hasEnough;
    };
    const context = {
      active: () => asset,
      book: { contacts: async () => [] },
      closing: new AbortController().signal,
      discovery: { search },
    };
    const { signal } = new AbortController();
    const options = { timeoutMs: Infinity, addresses: [], signal };
    await withSearch(context as unknown as NodeContext, file.root, options, async () => {
      nowMs = 3_600_000;
      using _want = asset.want({ wanted: 'all', urgent: { chunks: [], dueInMs: [] } });
      assert.ok(!isFound());
      peers = 2;
      assert.ok(isFound());
      nowMs += 9000;
      assert.ok(isFound());
      // They may have nothing, too.
      nowMs += 1000;
      assert.ok(!isFound());
      bytesCame(1000);
      assert.ok(isFound());
    });
  });
});
