import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { ShoalError, type Shoal } from '../index.ts';
import { controlAddress } from './control-address.ts';
import { CONTROL_PROTOCOL, type Hello, type NodeKind, type Reply } from './control-protocol.ts';
import { errorCode, errorMessage, errorTried } from './error-text.ts';
import { encodeBytes, encodeJson, readFrames, type Frame } from './frame.ts';
import { isLeftOut, parseJob, type Job, type JobContext, type JobEvent } from './job.ts';
import { runJob } from './run-job.ts';
import { waitOrStop } from './wait.ts';

/** A peer that a command names is dialled again after so long, then after twice that, and so on to the last, as a node's own is. */
const REDIAL_FIRST_MS = 1_000;
const REDIAL_LAST_MS = 30_000;

export interface ControlServerOptions {
  /** Name of the node's network, told to every command. */
  network: string;
  version: string;
  /** What the node is for: whoever needs more of one waits until this process ends. */
  node: NodeKind;
}

/**
 * Where commands beside the owner of a data folder hand over their work. It belongs to the process that owns the
 * folder: a socket found at its place is a dead owner's and is removed.
 */
export class ControlServer implements AsyncDisposable {
  readonly address: string;
  readonly #shoal: Shoal;
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  /** Each open socket, until its job is done and its command has gone. */
  readonly #connections = new Map<Socket, Promise<void>>();
  /** Aborted once this process serves until it is stopped. */
  readonly #staying = new AbortController();
  /** Jobs whose work is not done: those that only hold are left to whoever owns the folder next. */
  readonly #running = new Set<Job>();
  #onDone: (() => void)[] = [];

  /** Starts listening at the data folder's control address. */
  static async listen(shoal: Shoal, options: ControlServerOptions): Promise<ControlServer> {
    const server = new ControlServer(shoal, options);
    await server.#listen();
    return server;
  }

  private constructor(shoal: Shoal, options: ControlServerOptions) {
    this.#shoal = shoal;
    this.#options = options;
    this.address = controlAddress(shoal.dataDir);
    this.#server = createServer((socket) => {
      this.#connections.set(
        socket,
        this.#serve(socket).finally(() => this.#connections.delete(socket)),
      );
    });
  }

  /**
   * From now on this process serves until it is stopped. Before that its own work may fail, and what had been left to it
   * would be served by nobody: its commands wait, and are told now.
   */
  stay(): void {
    this.#staying.abort();
  }

  /** Number of handed-over jobs whose work is not done. */
  get running(): number {
    return this.#running.size;
  }

  /** Number of those that nobody can go on with where this process ends: what came from their commands' input is lost. */
  get runningForInput(): number {
    return [...this.#running].filter(readsInput).length;
  }

  /**
   * Resolves once no handed-over job has work to do, or when the signal aborts.
   *
   * @param isForInput only those of {@link runningForInput} are waited for
   */
  async idle(signal: AbortSignal, isForInput = false): Promise<void> {
    while ((isForInput ? this.runningForInput : this.running) > 0 && !signal.aborted) {
      const done = Promise.withResolvers<void>();
      this.#onDone.push(done.resolve);
      signal.addEventListener('abort', () => done.resolve(), { once: true });
      await done.promise;
    }
  }

  /** Ends all jobs and stops listening. Commands whose job is not done go on by themselves. */
  async close(): Promise<void> {
    const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve();
    this.#server.close();
    const jobs = [...this.#connections.values()];
    for (const socket of this.#connections.keys()) socket.destroy();
    await Promise.all([closed, ...jobs]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #listen(): Promise<void> {
    const isPipe = process.platform === 'win32';
    if (!isPipe) rmSync(this.address, { force: true });
    // The socket is bound inside the call, so that nobody else can use it even for a moment.
    const mask = isPipe ? undefined : process.umask(0o177);
    try {
      this.#server.listen(this.address);
    } finally {
      if (mask !== undefined) process.umask(mask);
    }
    await once(this.#server, 'listening');
    if (!isPipe) chmodSync(this.address, 0o600);
  }

  async #serve(socket: Socket): Promise<void> {
    const gone = new AbortController();
    socket.on('error', () => undefined);
    socket.once('close', () =>
      gone.abort(new ShoalError('ERR_COMMAND_GONE', 'the command that asked for this has ended')),
    );
    const frames = readFrames(socket);
    try {
      socket.write(encodeJson(this.#hello()));
      const request = await frames.next();
      if (request.done) return;
      const { job, peers } = readRequest(request.value);
      await this.#run(job, peers, new Conversation(socket, frames, gone.signal));
      reply(socket, { type: 'end' });
    } catch (error) {
      reply(socket, {
        type: 'error',
        code: errorCode(error),
        message: errorMessage(error),
        tried: errorTried(error),
      });
    } finally {
      socket.end();
      // What a failed job left unread would keep the socket open, and this server with it.
      await drain(socket, frames);
    }
  }

  async #run(job: Job, peers: readonly string[], conversation: Conversation): Promise<void> {
    const { socket, signal } = conversation;
    this.#running.add(job);
    const release = (): void => {
      this.#running.delete(job);
      for (const resolve of this.#onDone.splice(0)) resolve();
    };
    const context: JobContext = {
      signal,
      emit: (event) => emit(socket, event),
      write: (bytes) => conversation.write(bytes),
      input: () => conversation.input(),
      linger: async (durationMs) => {
        const staying = mustStay(job) ? [] : [this.#staying.signal];
        const ends = AbortSignal.any([signal, ...staying]);
        if (!ends.aborted) reply(socket, { type: 'lingering', durationMs });
        if (durationMs === 'forever') release();
        await waitOrStop(durationMs, ends);
        if (staying[0]?.aborted) reply(socket, { type: 'lingering', durationMs: 'handed' });
      },
    };
    try {
      if (!readsInput(job)) conversation.watch();
      // One that does not answer takes ten seconds, and another may have it, or be all that is needed.
      const connecting = peers.map((address) => this.#connect(address, context));
      await runJob(this.#shoal, this.#options.network, job, context);
      // What is served is found through them; the end of the job would end the attempts.
      if (job.verb === 'share' || job.verb === 'seed') await Promise.all(connecting);
    } finally {
      release();
    }
  }

  /**
   * As with a node's own `--peer`: one that cannot be reached is told of, dialled again, and the others may do. Never
   * rejects; resolves after the first attempt.
   */
  async #connect(address: string, context: JobContext): Promise<void> {
    const { signal } = context;
    try {
      await this.#shoal.connect(address, { signal });
    } catch (error) {
      if (signal.aborted) return;
      const code = errorCode(error);
      context.emit({ event: 'warning', code, message: errorMessage(error) });
      if (code === 'ERR_PEER_UNREACHABLE') void this.#connectLater(address, signal);
    }
  }

  /** Dials until the peer is reached or the command has gone. Never rejects. */
  async #connectLater(address: string, signal: AbortSignal): Promise<void> {
    for (let waitMs = REDIAL_FIRST_MS; ; waitMs = Math.min(waitMs * 2, REDIAL_LAST_MS)) {
      await waitOrStop(waitMs, signal);
      if (signal.aborted) return;
      try {
        return await this.#shoal.connect(address, { signal });
      } catch {
        // It was told of.
      }
    }
  }

  #hello(): Hello {
    const { network, version, node } = this.#options;
    const { id: peer, addresses } = this.#shoal;
    return {
      type: 'hello',
      protocol: CONTROL_PROTOCOL,
      version,
      pid: process.pid,
      network,
      peer,
      addresses: [...addresses],
      node,
      permanent: this.#staying.signal.aborted,
    };
  }
}

function readsInput(job: Job): boolean {
  return job.verb === 'share' && job.sources.includes('-');
}

/** Whether a job ends only with its command, although the owner serves on: what goes through a pipe is removed at its end. */
function mustStay(job: Job): boolean {
  if (job.verb === 'seed') return job.stay === true;
  return job.verb === 'get' && job.output.to === 'stdout';
}

/** One command's connection: what it sends besides its request, and the content that goes to it. */
class Conversation {
  readonly socket: Socket;
  readonly signal: AbortSignal;
  readonly #frames: AsyncGenerator<Frame>;

  constructor(socket: Socket, frames: AsyncGenerator<Frame>, signal: AbortSignal) {
    this.socket = socket;
    this.#frames = frames;
    this.signal = signal;
  }

  /** Reads on, because only a socket that is read tells that the other side has gone. */
  watch(): void {
    void drain(this.socket, this.#frames);
  }

  /** The command's standard input, up to its end. */
  async *input(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = await this.#frames.next();
      if (next.done) throw new ShoalError('ERR_COMMAND_GONE', 'the command ended before its input did');
      if (next.value.type === 'json') break;
      yield next.value.bytes;
    }
    this.watch();
  }

  /** Sends content; resolves when the socket can take more. */
  async write(bytes: Uint8Array): Promise<void> {
    for (const part of encodeBytes(bytes)) {
      this.signal.throwIfAborted();
      if (!this.socket.write(part)) await once(this.socket, 'drain', { signal: this.signal });
    }
  }
}

/** Reads all that still comes, until the command has gone or the socket is destroyed. */
async function drain(socket: Socket, frames: AsyncGenerator<Frame>): Promise<void> {
  try {
    for (;;) if ((await frames.next()).done) break;
  } catch {
    // Unreadable or broken off: the same as gone.
  }
  socket.destroy();
}

function emit(socket: Socket, event: JobEvent): void {
  if (!isLeftOut(event, socket.writableLength)) reply(socket, { type: 'event', event });
}

function reply(socket: Socket, message: Reply): void {
  if (socket.writable) socket.write(encodeJson(message));
}

function readRequest(frame: Frame): { job: Job; peers: string[] } {
  const value = frame.type === 'json' ? (frame.value as Record<string, unknown> | null) : null;
  if (value?.['type'] !== 'run' || value['protocol'] !== CONTROL_PROTOCOL) {
    throw new ShoalError(
      'ERR_CONTROL_PROTOCOL',
      `the running shoal speaks version ${CONTROL_PROTOCOL} of the control protocol; use the same version of Shoal for both`,
    );
  }
  const job = parseJob(value['job']);
  const peers = value['peers'];
  if (job === undefined || !Array.isArray(peers) || !peers.every((peer) => typeof peer === 'string')) {
    throw new ShoalError(
      'ERR_CONTROL_PROTOCOL',
      'the running shoal does not know this job; use the same version of Shoal for both',
    );
  }
  return { job, peers };
}
