import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replayTrace } from '../../src/simulator/replay-trace.ts';
import { pseudoRandomBytes } from '../node/test-nodes.ts';
import { Scene } from './shoal-process.ts';

describe('--trace', () => {
  it('records what a get and a share did, and both replay without a difference', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, pseudoRandomBytes(3_000_000));
    const traces = ['share', 'get'].map((name) => join(scene.folder, `${name}.jsonl`));
    const [shared = '', got = ''] = traces;
    const share = scene.shoal('a', 'share', file, '--trace', shared);
    const link = String((await share.waitFor('sharing'))['link']);
    const target = join(scene.folder, 'copy');
    const get = scene.shoal('b', 'get', link, '-o', target, '--linger', '0', '--trace', got);
    assert.equal(await get.exit(), 0);
    share.signal('SIGINT');
    assert.equal(await share.exit(), 0);
    for (const trace of traces) {
      const replay = await replayTrace(readFileSync(trace, 'utf8').split('\n'));
      assert.equal(replay.difference, undefined, trace);
      assert.ok(replay.actions > 5, `${trace}: ${replay.actions} actions`);
    }
  });

  it('is ignored, and says so, where another command runs the node', async () => {
    await using scene = new Scene();
    const file = join(scene.folder, 'data.bin');
    writeFileSync(file, 'hello');
    await scene.shoal('a', 'share', file).waitFor('sharing');
    const second = scene.shoal('a', 'share', file, '--trace', join(scene.folder, 'second.jsonl'));
    const { code, message } = await second.waitFor('warning');
    assert.equal(code, 'ERR_OPTION_IGNORED');
    assert.match(String(message), /--trace/);
  });
});
