import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { replayTrace } from '../../src/simulator/replay-trace.ts';
import { codeOf } from '../code-of.ts';
import { pseudoRandomBytes, TestNodes } from '../node/test-nodes.ts';

const MIB = 1024 * 1024;

describe('a trace', () => {
  let nodes: TestNodes;
  /** The lines of both sides of a transfer. */
  const traces = new Map<'sharer' | 'saver', string[]>();

  before(async () => {
    nodes = await TestNodes.create();
    const path = nodes.path('original.bin');
    await writeFile(path, pseudoRandomBytes(5 * MIB + 17));
    const sharer = await nodes.start({ trace: nodes.path('sharer.jsonl') });
    const saver = await nodes.start({ trace: nodes.path('saver.jsonl'), uploadBytesPerSec: 1e9 });
    const { link } = await sharer.share(path);
    const asset = await saver.open(link);
    await asset.save(nodes.path('copy.bin'));
    await saver.close();
    await sharer.close();
    for (const name of ['sharer', 'saver'] as const) {
      traces.set(name, (await readFile(nodes.path(`${name}.jsonl`), 'utf8')).split('\n'));
    }
  });

  after(() => nodes[Symbol.asyncDispose]());

  for (const name of ['sharer', 'saver'] as const) {
    it(`of a real node replays without a difference (${name})`, async () => {
      const replay = await replayTrace(traces.get(name) ?? []);
      assert.equal(replay.difference, undefined);
      assert.ok(replay.events > 80, `${replay.events} events for 80 chunks`);
      assert.ok(replay.actions > 10, `${replay.actions} actions`);
    });
  }

  it('is for its owner only', async function () {
    if (process.platform === 'win32') this.skip();
    assert.equal((await stat(nodes.path('saver.jsonl'))).mode & 0o777, 0o600);
  });

  it('names the line where the replayed core does something else', async () => {
    const lines = [...(traces.get('saver') ?? [])];
    const at = lines.findIndex((line) => line.startsWith('["a"') && line.includes('"request"'));
    assert.notEqual(at, -1, 'the saver asked for chunks');
    const another = (_: string, from: string): string => `"from":${Number(from) + 1}`;
    const changed = lines.with(at, (lines[at] as string).replace(/"from":(\d+)/, another));
    const { difference } = await replayTrace(changed);
    assert.equal(difference?.line, at + 1);
    assert.equal(difference.recorded, changed[at]);
    assert.equal(difference.replayed, lines[at]);
  });

  it('differs where an event is missing', async () => {
    const lines = traces.get('saver') ?? [];
    const at = lines.findIndex((line) => line.includes('"type":"grant"') && line.startsWith('["e"'));
    const { difference } = await replayTrace(lines.toSpliced(at, 1));
    assert.ok(difference && difference.line > at, 'without its grant the request does not follow');
  });

  it('with another seed is another run', async () => {
    const [first = '', ...rest] = traces.get('sharer') ?? [];
    const start = JSON.parse(first) as [string, number, number, object];
    start[2] += 1;
    const { difference } = await replayTrace([JSON.stringify(start), ...rest]);
    assert.ok(difference, 'which chunks it offers first is left to chance');
  });

  it('that ends within a line is read up to there: its node was killed', async () => {
    const whole = traces.get('saver') ?? [];
    const lines = whole.slice(0, whole.length / 2);
    const cut = [...lines, (whole[lines.length] as string).slice(0, -1)];
    const replay = await replayTrace(cut);
    assert.equal(replay.difference, undefined);
    assert.equal(await codeOf(replayTrace([...cut, ...lines.slice(-1)])), 'ERR_BAD_TRACE');
  });

  it('is refused where it is none, or of another version', async () => {
    assert.equal(await codeOf(replayTrace([])), 'ERR_BAD_TRACE');
    assert.equal(await codeOf(replayTrace(['hello', 'world'])), 'ERR_BAD_TRACE');
    assert.equal(await codeOf(replayTrace((traces.get('saver') ?? []).slice(1))), 'ERR_BAD_TRACE');
    assert.equal(await codeOf(replayTrace(['["trace",99,1,{}]'])), 'ERR_BAD_TRACE');
  });

  it('replaces no file', async () => {
    const path = nodes.path('precious.txt');
    await writeFile(path, 'precious');
    assert.equal(await codeOf(nodes.start({ trace: path })), 'ERR_TARGET_EXISTS');
    assert.equal(await readFile(path, 'utf8'), 'precious');
    assert.equal(await codeOf(nodes.start({ trace: nodes.path('no', 'folder') })), 'ERR_NOT_FOUND');
  });
});
