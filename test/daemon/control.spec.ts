import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { controlAddress } from '../../src/daemon/control-address.ts';
import { Owner, type HandOverResult, type JobSink } from '../../src/daemon/control-client.ts';
import { ControlServer } from '../../src/daemon/control-server.ts';
import { encodeBytes, encodeJson, readFrames, type Frame } from '../../src/daemon/frame.ts';
import type { GetJob, Job, JobEvent } from '../../src/daemon/job.ts';
import { ShoalError } from '../../src/index.ts';
import { FakeShoal } from './fake-shoal.ts';

class Sink implements JobSink {
  readonly events: JobEvent[] = [];
  readonly parts: Uint8Array[] = [];
  readonly lingers: (number | string)[] = [];
  onEvent: (event: JobEvent) => void = () => undefined;
  onLinger: () => void = () => undefined;

  emit(event: JobEvent): void {
    this.events.push(event);
    this.onEvent(event);
  }

  write(bytes: Uint8Array): Promise<void> {
    this.parts.push(Buffer.from(bytes));
    return Promise.resolve();
  }

  lingering(durationMs: number | 'forever' | 'handed'): void {
    this.lingers.push(durationMs);
    this.onLinger();
  }

  names(): string[] {
    return this.events.map(({ event }) => event).filter((event) => event !== 'progress');
  }
}

const never = new AbortController().signal;

const getJob = (change: Partial<GetJob> = {}): GetJob => ({
  verb: 'get',
  target: 'bafyone',
  output: { to: 'path', path: '/x/one' },
  force: false,
  timeoutMs: 1000,
  linger: 0,
  ...change,
});

describe('the control socket of a data folder', () => {
  let dataDir = '';
  let shoal: FakeShoal;
  let server: ControlServer;

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'shoal-control-'));
    shoal = new FakeShoal(dataDir);
    shoal.add('bafyone', 'one.txt', Buffer.from('twelve bytes'));
  });

  afterEach(async () => {
    await server.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function listen(isStaying = true): Promise<void> {
    server = await ControlServer.listen(shoal, { network: 'test', version: '1.2.3', node: 'serving' });
    if (isStaying) server.stay();
  }

  /** A command that is connected, has handed a share over, and has read no answer yet. */
  async function sharing(sources: string[]): Promise<{ command: Socket; frames: AsyncGenerator<Frame> }> {
    await listen();
    const command = connect(server.address);
    const frames = readFrames(command);
    await frames.next();
    const job = { verb: 'share', sources };
    command.write(encodeJson({ type: 'run', protocol: 1, job, peers: [] }));
    return { command, frames };
  }

  async function run(
    job: Job,
    options: { sink?: Sink; signal?: AbortSignal; peers?: string[]; input?: AsyncIterable<Uint8Array> } = {},
  ): Promise<{
    sink: Sink;
    result: HandOverResult;
  }> {
    const owner = await Owner.find(dataDir, never);
    assert.ok(owner);
    const { sink = new Sink(), signal = never, peers = [], input } = options;
    return { sink, result: await owner.run(job, { sink, signal, peers, input }) };
  }

  it('tells a command who owns the folder', async () => {
    await listen();
    const owner = await Owner.find(dataDir, never);
    assert.deepEqual(owner?.hello, {
      type: 'hello',
      protocol: 1,
      version: '1.2.3',
      pid: process.pid,
      network: 'test',
      peer: shoal.id,
      addresses: shoal.addresses,
      node: 'serving',
      permanent: true,
    });
    owner.close();
  });

  it('is for its user only, and is gone when the owner stops', async () => {
    await listen();
    assert.equal(statSync(server.address).mode & 0o777, 0o600);
    await server.close();
    assert.equal(existsSync(server.address), false);
    assert.equal(await Owner.find(dataDir, never), undefined);
  });

  it('answers each command, however many there are', async () => {
    await listen();
    const owners = await Promise.all(Array.from({ length: 200 }, () => Owner.find(dataDir, never)));
    for (const owner of owners) owner?.close();
    assert.equal(owners.filter((owner) => owner === undefined).length, 0);
  });

  it('says of an owner that does not answer that it is there', async () => {
    const connections = new Set<Socket>();
    const suspended = createServer((socket) => connections.add(socket));
    suspended.listen(controlAddress(dataDir));
    await once(suspended, 'listening');
    try {
      await assert.rejects(Owner.find(dataDir, never, 50), { code: 'ERR_OWNER_SILENT' });
    } finally {
      suspended.close();
      for (const socket of connections) socket.destroy();
      await once(suspended, 'close');
    }
    await listen();
    (await Owner.find(dataDir, never))?.close();
  });

  it('takes the place of a socket that a killed owner left', async () => {
    writeFileSync(join(dataDir, 'control.sock'), '');
    await listen();
    assert.deepEqual((await run({ verb: 'ls' })).sink.names(), ['asset']);
  });

  it('does a get at the owner and reports its progress, and the owner goes on serving', async () => {
    await listen();
    const { sink, result } = await run(getJob({ linger: 'forever' }), { peers: ['/ip4/1.2.3.4/tcp/5'] });
    assert.equal(result, 'done');
    assert.deepEqual(sink.names(), ['done']);
    assert.deepEqual(sink.events.at(-1), {
      event: 'done',
      cid: 'bafyone',
      bytes: 12,
      path: '/x/one',
      durationMs: 1,
      sources: [{ peer: '12D3KooWOther', bytes: 12 }],
    });
    assert.deepEqual(
      sink.events.findLast(({ event }) => event === 'progress'),
      {
        event: 'progress',
        bytes: 12,
        total: 12,
        peers: 1,
        bytesPerSec: 1,
        phase: 'done',
        sources: [{ peer: '12D3KooWOther', bytes: 12 }],
      },
    );
    assert.deepEqual(sink.lingers, ['handed']);
    assert.deepEqual(shoal.connected, ['/ip4/1.2.3.4/tcp/5']);
  });

  it('begins while a peer that was named does not answer, and ends a share only when it has', async () => {
    await listen();
    const answer = Promise.withResolvers<void>();
    shoal.connectGate = (address) => (address === '/ip4/1.2.3.4/tcp/5' ? answer.promise : Promise.resolve());
    const peers = ['/ip4/1.2.3.4/tcp/5', '/ip4/1.2.3.4/tcp/6'];
    assert.equal((await run(getJob(), { peers })).result, 'done');
    assert.deepEqual(shoal.connected, peers);
    const sink = new Sink();
    const isShared = Promise.withResolvers<void>();
    sink.onLinger = isShared.resolve;
    let isDone = false;
    const share = run({ verb: 'share', sources: ['/x/file'] }, { sink, peers });
    const done = share.then(() => (isDone = true));
    await isShared.promise;
    // All that was sent before this is read before its end.
    assert.equal((await run({ verb: 'ls' })).result, 'done');
    assert.equal(isDone, false);
    answer.reject(new ShoalError('ERR_PEER_UNREACHABLE', 'no answer'));
    await done;
    assert.deepEqual(sink.names(), ['sharing', 'warning']);
  });

  it('dials a peer again that was named and could not be reached, until it is', async () => {
    await listen();
    const reached = Promise.withResolvers<void>();
    shoal.openGate = () => reached.promise;
    shoal.connectGate = async () => {
      if (shoal.connected.length < 2) throw new ShoalError('ERR_PEER_UNREACHABLE', 'no answer');
      reached.resolve();
    };
    const { sink, result } = await run(getJob(), { peers: ['/ip4/1.2.3.4/tcp/5'] });
    assert.equal(result, 'done');
    assert.deepEqual(sink.names(), ['warning', 'done']);
  });

  it('puts a get into a folder under the name in its link', async () => {
    await listen();
    const { sink } = await run(getJob({ output: { to: 'folder', folder: '/downloads' } }));
    const done = sink.events.at(-1);
    assert.equal(done?.event === 'done' && done.path, join('/downloads', 'one.txt'));
  });

  it('finds what is in the way in a folder, and tells of no search that it did not need', async () => {
    await listen();
    writeFileSync(join(dataDir, 'one.txt'), 'mine');
    const sink = new Sink();
    const job = run(getJob({ output: { to: 'folder', folder: dataDir } }), { sink });
    await assert.rejects(job, { code: 'ERR_TARGET_EXISTS' });
    assert.deepEqual(sink.events, []);
  });

  it('replaces no device, pipe or socket, whatever is forced', async () => {
    await listen();
    const link = join(dataDir, 'link');
    symlinkSync(server.address, link);
    for (const path of [server.address, link]) {
      for (const force of [false, true]) {
        const job = getJob({ output: { to: 'path', path }, force });
        await assert.rejects(run(job), { code: 'ERR_UNSUPPORTED_FILE' });
      }
    }
  });

  it('tells of a search that takes time', async () => {
    await listen();
    const told = Promise.withResolvers<void>();
    shoal.openGate = () => told.promise;
    const sink = new Sink();
    sink.onEvent = (event) => event.event === 'progress' && event.phase === 'searching' && told.resolve();
    assert.equal((await run(getJob(), { sink })).result, 'done');
  });

  it('tells the links of what an owner that has gone shared, and not of all that is served', async () => {
    await listen(false);
    shoal.add('bafytwo', 'two.txt', Buffer.from('two'));
    const sink = new Sink();
    sink.onLinger = () => void server.close();
    await run({ verb: 'seed', announce: ['bafytwo', 'bafyremoved'] }, { sink });
    assert.deepEqual(sink.names(), ['sharing', 'seeding']);
    assert.deepEqual(sink.events[0], {
      event: 'sharing',
      cid: 'bafytwo',
      link: 'shoal:bafytwo',
      bytes: 3,
      path: '/x/two.txt',
      addresses: shoal.addresses,
    });
  });

  it('carries content to standard output, from where another owner left off', async () => {
    await listen();
    const { sink } = await run(getJob({ output: { to: 'stdout', offset: 7 } }));
    assert.equal(Buffer.concat(sink.parts).toString(), 'bytes');
    const done = sink.events.at(-1);
    assert.equal(done?.event === 'done' && done.bytes, 12);
  });

  it('removes what went through a pipe, and what an earlier pipe or an inspect left of it', async () => {
    await listen();
    shoal.known.set('bafyone', { state: 'partial', path: undefined });
    await run(getJob({ output: { to: 'stdout', offset: 0 } }));
    assert.deepEqual(shoal.removed, ['bafyone']);
  });

  it('serves what went through a pipe for as long as its command was to, and removes it only then', async () => {
    await listen();
    const stop = new AbortController();
    const sink = new Sink();
    const isServed = Promise.withResolvers<void>();
    sink.onLinger = isServed.resolve;
    shoal.known.set('bafyone', { state: 'partial', path: undefined });
    const job = getJob({ output: { to: 'stdout', offset: 0 }, linger: 'forever' });
    const piped = run(job, { sink, signal: stop.signal });
    await isServed.promise;
    assert.equal((await run({ verb: 'ls' })).result, 'done');
    assert.deepEqual(sink.lingers, ['forever']);
    assert.deepEqual(shoal.removed, []);
    const removed = Promise.withResolvers<void>();
    shoal.removed.push = (...cids) => (removed.resolve(), Array.prototype.push.apply(shoal.removed, cids));
    stop.abort(new Error('Ctrl-C'));
    await assert.rejects(piped, { message: 'Ctrl-C' });
    await removed.promise;
    // Without that, nothing is said of serving it on.
    const { sink: plain } = await run(getJob({ output: { to: 'stdout', offset: 0 } }));
    assert.deepEqual(plain.lingers, [0]);
  });

  it('keeps what went through a pipe and was there, or was to be saved at a path', async () => {
    await listen();
    for (const known of [
      { state: 'partial', path: '/x/one' },
      { state: 'complete', path: '/x/one' },
      { state: 'complete', path: undefined },
      { state: 'shared', path: undefined },
    ] as const) {
      shoal.known.set('bafyone', known);
      await run(getJob({ output: { to: 'stdout', offset: 0 } }));
    }
    assert.deepEqual(shoal.removed, []);
  });

  it('keeps what another command began to save, or shared, while it was piped', async () => {
    await listen();
    for (const meanwhile of [
      { state: 'partial', path: '/x/one' },
      { state: 'shared', path: undefined },
    ] as const) {
      shoal.known.set('bafyone', { state: 'partial', path: undefined });
      shoal.gate = () => (shoal.known.set('bafyone', meanwhile), Promise.resolve());
      await run(getJob({ output: { to: 'stdout', offset: 0 } }));
    }
    assert.deepEqual(shoal.removed, []);
  });

  it('takes as many paths as a shell makes of a star', async () => {
    await listen();
    const sources = Array.from(
      { length: 20_000 },
      (_, n) => `/home/somebody/pictures/of/that/summer/IMG_${n}.jpeg`,
    );
    const { sink } = await run({ verb: 'share', sources });
    assert.equal(sink.events.length, sources.length);
    assert.deepEqual(
      shoal.shared.map(({ source }) => source),
      sources,
    );
  });

  it('carries standard input to the owner', async () => {
    await listen();
    const input = (async function* () {
      yield Buffer.from('from ');
      yield Buffer.from('a pipe');
    })();
    const { sink } = await run({ verb: 'share', sources: ['-'] }, { input });
    assert.deepEqual(sink.names(), ['sharing']);
    assert.equal(Buffer.from(shoal.shared[0]?.bytes ?? []).toString(), 'from a pipe');
  });

  it('ends although a share failed of which the input was not read', async () => {
    const { command, frames } = await sharing(['/x/missing', '-']);
    for (const part of encodeBytes(new Uint8Array(4_000_000))) command.write(part);
    const { value } = await frames.next();
    assert.equal(value?.type === 'json' && (value.value as { code: string }).code, 'ERR_NOT_FOUND');
    // The command stays, as one does that is suspended.
    await server.close();
    command.destroy();
  });

  it('reads what is piped to a share that failed, so that its command can end', async () => {
    const { command, frames } = await sharing(['/x/missing', '-']);
    await frames.next();
    for (const part of encodeBytes(new Uint8Array(4_000_000))) command.write(part);
    const end = encodeJson({ type: 'input-end' });
    await new Promise<void>((taken, fail) => command.write(end, (error) => (error ? fail(error) : taken())));
    command.destroy();
  });

  it('passes an error of the owner on, with its code', async () => {
    await listen();
    await assert.rejects(run(getJob({ target: 'bafynone' })), {
      code: 'ERR_NO_PROVIDERS',
      message: 'nobody has it',
    });
  });

  it('ends the job at the owner when the command is stopped', async () => {
    await listen();
    const stop = new AbortController();
    const aborted = Promise.withResolvers<void>();
    shoal.gate = (chunk) =>
      chunk === 0 ? Promise.resolve() : (stop.abort(new Error('Ctrl-C')), new Promise(() => undefined));
    shoal.aborted.push = (...reasons) => (
      aborted.resolve(),
      Array.prototype.push.apply(shoal.aborted, reasons)
    );
    await assert.rejects(run(getJob(), { signal: stop.signal }), { message: 'Ctrl-C' });
    await aborted.promise;
    await server.idle(never);
    assert.equal(server.running, 0);
  });

  it('takes what an owner was about to remove when it ended for removed, and nothing else', async () => {
    await listen();
    shoal.remove = (cid) =>
      Promise.reject(new ShoalError('ERR_UNKNOWN_ASSET', `the data folder knows nothing of ${cid}`));
    const { sink } = await run({ verb: 'rm', cids: ['bafyone'], begun: 'bafyone' });
    assert.deepEqual(sink.names(), ['removed']);
    await assert.rejects(run({ verb: 'rm', cids: ['bafyother'], begun: 'bafyone' }), {
      code: 'ERR_UNKNOWN_ASSET',
    });
  });

  it('tells a command that its owner went away in the middle', async () => {
    await listen();
    const sink = new Sink();
    shoal.gate = (chunk) => (chunk === 0 ? Promise.resolve() : new Promise(() => undefined));
    sink.onEvent = () => void server.close();
    assert.equal((await run(getJob(), { sink })).result, 'owner-gone');
  });

  it('lets an owner that will end hold a share, without waiting for it, and tells the command to take over', async () => {
    await listen(false);
    const sink = new Sink();
    sink.onLinger = () => void server.idle(never).then(() => server.close());
    assert.equal((await run({ verb: 'share', sources: ['/x/file'] }, { sink })).result, 'owner-gone');
    assert.deepEqual(sink.names(), ['sharing']);
    assert.deepEqual(sink.lingers, ['forever']);
  });

  it('leaves nothing to an owner whose own work may still fail, and all that is served once it stays', async () => {
    await listen(false);
    const sink = new Sink();
    sink.onLinger = () => server.stay();
    assert.equal((await run({ verb: 'share', sources: ['/x/file'] }, { sink })).result, 'done');
    assert.deepEqual(sink.lingers, ['forever', 'handed']);
  });

  it('keeps an owner at work until the jobs of others are done', async () => {
    await listen(false);
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    shoal.gate = () => (started.resolve(), gate.promise);
    const job = run(getJob());
    await started.promise;
    let isIdle = false;
    const idle = server.idle(never).then(() => (isIdle = true));
    await Promise.resolve();
    assert.equal(isIdle, false);
    gate.resolve();
    assert.equal((await job).result, 'done');
    await idle;
  });

  it('refuses a job it does not know and a protocol of another version', async () => {
    await listen();
    for (const request of [
      { type: 'run', protocol: 1, job: { verb: 'format-disk' }, peers: [] },
      { type: 'run', protocol: 2, job: { verb: 'ls' }, peers: [] },
      7,
    ]) {
      const socket = connect(server.address);
      const frames = readFrames(socket);
      await frames.next();
      socket.write(encodeJson(request));
      const { value } = await frames.next();
      assert.equal(value?.type === 'json' && (value.value as { code: string }).code, 'ERR_CONTROL_PROTOCOL');
      socket.destroy();
    }
  });

  it('lies in a short path where the data folder has a long one', async () => {
    const long = join(dataDir, 'x'.repeat(100));
    mkdirSync(long);
    const address = controlAddress(long);
    assert.ok(Buffer.byteLength(address) <= 100, address);
    assert.equal(statSync(join(address, '..')).mode & 0o777, 0o700);
    shoal = new FakeShoal(long);
    await listen();
    const owner = await Owner.find(long, never);
    assert.equal(owner?.hello.pid, process.pid);
    owner.close();
  });

  it('lies there also for a user that the machine has no entry of, as in a container', async function () {
    await listen();
    if (process.getuid?.() !== 0) this.skip();
    chmodSync(dataDir, 0o777);
    const code = `
      const { controlAddress } = await import(${JSON.stringify(import.meta.resolve('../../src/daemon/control-address.ts'))});
      process.setuid(54321);
      process.stdout.write(controlAddress('/x'.repeat(60)));`;
    const env = { ...process.env, TMPDIR: dataDir };
    const address = execFileSync(process.execPath, ['--input-type=module', '-e', code], { env }).toString();
    assert.equal(join(address, '..'), join(dataDir, 'shoal-54321'));
  });

  it('is a named pipe on Windows', async () => {
    await listen();
    assert.match(controlAddress(dataDir, 'win32'), /^\\\\\.\\pipe\\shoal-[0-9a-f]{32}$/);
  });
});
