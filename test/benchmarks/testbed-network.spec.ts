import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Network } from '../../benchmarks/testbed/network.ts';
import { missing, thisMachine } from '../../benchmarks/testbed/requirements.ts';
import { runScenario } from '../../benchmarks/testbed/run-scenario.ts';
import { idIn, isAlive, runId } from '../../benchmarks/testbed/run-id.ts';
import { shoalSystem } from '../../benchmarks/testbed/shoal-system.ts';
import { sweep } from '../../benchmarks/testbed/sweep.ts';
import type { Scenario } from '../../src/simulator/scenario.ts';

const run = promisify(execFile);
const signal = new AbortController().signal;

const pair: Scenario = {
  name: 'tiny',
  fileBytes: 1 << 20,
  network: {
    rttMs: [0.2, 0.2],
    loss: 0,
    tcp: false,
    rttError: 0,
    rttLateMs: 0,
    uplink: 'shared',
    queueMs: 0,
    headers: false,
    meet: 'origin',
  },
  groups: [
    ['origin', 1],
    ['peer', 2],
  ].map(([role, count]) => ({
    name: role as string,
    count: count as number,
    role: role as 'origin' | 'peer',
    up: 50e6,
    down: 1e9,
    strategy: 'honest' as const,
    joinSec: [0, 0] as const,
    leavesWhenDone: false,
    diskBytesPerSec: Infinity,
    mode: 'normal' as const,
  })),
  events: [],
  limitSec: 50,
};

/** What a test bed with this owner has left: namespaces, interfaces, folders. */
async function remains(chosen: (id: string) => boolean): Promise<string[]> {
  const namespaces = (await run('ip', ['netns', 'list'])).stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
  return [...namespaces, ...readdirSync('/sys/class/net'), ...readdirSync('/dev/shm')].filter((name) => {
    const id = idIn(name);
    return id !== undefined && chosen(id);
  });
}

describe('the network test bed', function () {
  // One test bed at a time on a machine: another one's run is waited for.
  this.timeout(900_000);

  const lacking = missing(thisMachine(), { delayLine: true, bytes: 64 << 20 });
  before(function () {
    if (lacking.length === 0) return;
    process.stdout.write(`      skipped: ${lacking.join('; ')}\n`);
    this.skip();
  });

  it('distributes a small file with real processes, counts it on the wire, and leaves nothing behind', async () => {
    const priority = getPriority();
    const outcome = await runScenario(pair, shoalSystem, { run: 1, signal });
    assert.equal(getPriority(), priority, 'the precedence ends with the run');
    const peers = outcome.nodes.filter((node) => node.role === 'peer');
    assert.deepEqual(
      peers.map((node) => [node.correct, node.failure]),
      [
        [true, undefined],
        [true, undefined],
      ],
    );
    for (const node of peers)
      assert.ok(node.receivedBytes > pair.fileBytes, 'all of the file crossed the interface');
    assert.ok(outcome.originFiles >= 1, 'the origin sent at least one copy');
    assert.ok(outcome.lastSec !== undefined && outcome.lastSec > outcome.boundSec, 'nobody beats the bound');
    assert.deepEqual(await remains((id) => id === runId()), []);
  });

  it('takes all down when it is stopped in the middle', async () => {
    const stop = new AbortController();
    const running = runScenario(
      pair,
      {
        ...shoalSystem,
        prepare: async (content, bed) => {
          const session = await shoalSystem.prepare(content, bed);
          return {
            startOrigin: (host) => session.startOrigin(host),
            close: () => session.close(),
            startPeer: async (host, options) => {
              const peer = await session.startPeer(host, options);
              stop.abort(new Error('stopped by the test'));
              return peer;
            },
          };
        },
      },
      { run: 1, signal: stop.signal },
    );
    await assert.rejects(running, /stopped by the test|aborted/);
    assert.deepEqual(await remains((id) => id === runId()), []);
  });

  it('keeps every frame for half of the round trip where there is one', async () => {
    const plan = { up: Infinity, down: Infinity, part: 0 };
    const network = await Network.create(
      [
        { ...plan, name: 'a' },
        { ...plan, name: 'b' },
      ],
      60,
    );
    try {
      const [a, b] = network.hosts;
      assert.ok(a && b);
      const listen = `require('node:net').createServer(s=>s.end('x')).listen(99,()=>console.log('up'))`;
      const server = spawn('ip', ['netns', 'exec', b.namespace, process.execPath, '-e', listen]);
      await once(server.stdout, 'data');
      // From SYN to SYN+ACK, twice: the first has the address resolution in it.
      const connect = `const n=require('node:net'),f=(then)=>{const t=performance.now(),s=n.connect(99,'${b.address}',()=>{s.destroy();then(performance.now()-t)})};f(()=>f(ms=>{console.log(ms);process.exit()}))`;
      const { stdout } = await run('ip', ['netns', 'exec', a.namespace, process.execPath, '-e', connect]);
      assert.ok(Number(stdout) >= 59, `connected after ${stdout} ms, before a round trip of 60 ms`);
    } finally {
      await network.close();
    }
    assert.equal(network.delayLineDrops, 0);
  });

  it('sweeps what a killed run left, with its processes', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-bed-test-'));
    const script = join(folder, 'orphan.ts');
    const network = new URL('../../benchmarks/testbed/network.ts', import.meta.url).href;
    writeFileSync(
      script,
      `import { spawn } from 'node:child_process';
      import { Network } from '${network}';
      const { hosts } = await Network.create([{ name: 'a', up: 1e6, down: Infinity, part: 0 }], 0);
      const sleeper = spawn('ip', ['netns', 'exec', hosts[0].namespace, 'sleep', '1000'], { stdio: 'ignore' });
      sleeper.once('spawn', () => console.log('up'));
      setInterval(() => {}, 1000);`,
    );
    try {
      const orphan = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(orphan.stdout, 'data');
      orphan.kill('SIGKILL');
      await once(orphan, 'exit');
      const swept = await sweep();
      assert.ok(swept.namespaces >= 1 && swept.processes >= 1, JSON.stringify(swept));
      assert.deepEqual(await remains((id) => !isAlive(id)), []);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
