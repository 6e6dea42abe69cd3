import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ShoalError } from '../index.ts';
import { controlAddress } from './control-address.ts';
import {
  type InputEnd,
  CONTROL_PROTOCOL,
  parseHello,
  parseReply,
  type Hello,
  type RunRequest,
} from './control-protocol.ts';
import { encodeBytes, encodeJson, readFrames, type Frame } from './frame.ts';
import type { Job, JobEvent } from './job.ts';

/** An owner answers at once, on a busy machine within seconds. Who does not was stopped (Ctrl-Z), and may go on. */
const HELLO_TIMEOUT_MS = 15_000;

/** What a command does with what comes back for its job. */
export interface JobSink {
  emit(event: JobEvent): void;
  write(bytes: Uint8Array): Promise<void>;
  /** See {@link Reply}. */
  lingering(durationMs: number | 'forever' | 'handed'): void;
}

/** How a handed-over job ended: done, or the owner went away before it said so. */
export type HandOverResult = 'done' | 'owner-gone';

/** The running owner of a data folder, seen from a command beside it. */
export class Owner {
  readonly hello: Hello;
  readonly #socket: Socket;
  readonly #frames: AsyncGenerator<Frame>;

  private constructor(hello: Hello, socket: Socket, frames: AsyncGenerator<Frame>) {
    this.hello = hello;
    this.#socket = socket;
    this.#frames = frames;
  }

  /**
   * Finds the process that owns a data folder and takes commands.
   *
   * @returns undefined where none answers: nobody owns the folder, or the one who does offers no control socket
   * @param helloTimeoutMs how long the owner may take to answer
   * @throws ERR_OWNER_VERSION when it speaks another version of the control protocol, ERR_OWNER_SILENT when it is there
   * and says nothing
   */
  static async find(
    dataDir: string,
    signal: AbortSignal,
    helloTimeoutMs = HELLO_TIMEOUT_MS,
  ): Promise<Owner | undefined> {
    const socket = await connectTo(controlAddress(dataDir), signal);
    if (socket === undefined) return undefined;
    const frames = readFrames(socket);
    let isSilent = false;
    const stop = (): void => void socket.destroy();
    const timer = setTimeout(() => {
      isSilent = true;
      stop();
    }, helloTimeoutMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const first = await frames.next();
      const hello = first.done || first.value.type !== 'json' ? undefined : parseHello(first.value.value);
      if (hello === undefined) throw new Error('it ended without a word');
      requireSameProtocol(hello);
      return new Owner(hello, socket, frames);
    } catch (error) {
      socket.destroy();
      signal.throwIfAborted();
      if (error instanceof ShoalError && error.code === 'ERR_OWNER_VERSION') throw error;
      if (isSilent) throw silent(dataDir);
      return undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  /**
   * Has the owner do a job. An abort ends the job there too.
   *
   * @param input the command's standard input, sent only where the job reads it
   * @throws what the job failed with, with the owner's code and message; the signal's reason
   */
  async run(
    job: Job,
    options: {
      peers: readonly string[];
      input?: AsyncIterable<Uint8Array>;
      sink: JobSink;
      signal: AbortSignal;
    },
  ): Promise<HandOverResult> {
    const { peers, input, sink, signal } = options;
    const stop = (): void => void this.#socket.destroy();
    signal.throwIfAborted();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const request: RunRequest = { type: 'run', protocol: CONTROL_PROTOCOL, job, peers: [...peers] };
      this.#socket.write(encodeJson(request));
      const inputFailed = new AbortController();
      if (input !== undefined) void this.#sendInput(input, inputFailed);
      const result = await this.#receive(sink);
      signal.throwIfAborted();
      inputFailed.signal.throwIfAborted();
      return result;
    } finally {
      signal.removeEventListener('abort', stop);
      this.#socket.destroy();
    }
  }

  /** Ends the connection without a job. */
  close(): void {
    this.#socket.destroy();
  }

  /** Resolves when the owner has gone, or when the signal aborts. Takes the place of a job. */
  async ended(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.close();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    while ((await this.#nextFrame()) !== undefined);
    signal.removeEventListener('abort', stop);
    this.close();
  }

  async #receive(sink: JobSink): Promise<HandOverResult> {
    for (;;) {
      const frame = await this.#nextFrame();
      if (frame === undefined) return 'owner-gone';
      if (frame.type === 'bytes') {
        await sink.write(frame.bytes);
        continue;
      }
      const reply = parseReply(frame.value);
      if (reply?.type === 'event') sink.emit(reply.event);
      else if (reply?.type === 'lingering') sink.lingering(reply.durationMs);
      else if (reply?.type === 'end') return 'done';
      else if (reply?.type === 'error') {
        throw new ShoalError(reply.code, reply.message, { tried: reply.tried });
      }
    }
  }

  /** A connection that breaks, in a message or between two, is an owner that has gone. */
  async #nextFrame(): Promise<Frame | undefined> {
    try {
      const next = await this.#frames.next();
      return next.done ? undefined : next.value;
    } catch {
      return undefined;
    }
  }

  async #sendInput(input: AsyncIterable<Uint8Array>, failed: AbortController): Promise<void> {
    try {
      for await (const bytes of input) {
        for (const part of encodeBytes(bytes)) {
          if (!this.#socket.writable) return;
          if (!this.#socket.write(part)) await once(this.#socket, 'drain');
        }
      }
      if (this.#socket.writable) this.#socket.write(encodeJson({ type: 'input-end' } satisfies InputEnd));
    } catch (error) {
      failed.abort(error);
      this.#socket.destroy();
    }
  }
}

async function connectTo(address: string, signal: AbortSignal): Promise<Socket | undefined> {
  signal.throwIfAborted();
  const socket = connect(address);
  try {
    await once(socket, 'connect', { signal });
    socket.on('error', () => undefined);
    return socket;
  } catch {
    socket.on('error', () => undefined);
    socket.destroy();
    signal.throwIfAborted();
    return undefined;
  }
}

function silent(dataDir: string): ShoalError {
  return new ShoalError(
    'ERR_OWNER_SILENT',
    `the shoal that uses ${dataDir} does not answer; it may have been suspended (Ctrl-Z) or be very busy: let it go on, stop it, or use another folder with --data`,
  );
}

function requireSameProtocol(hello: Hello): void {
  if (hello.protocol === CONTROL_PROTOCOL) return;
  throw new ShoalError(
    'ERR_OWNER_VERSION',
    `the data folder is used by process ${hello.pid} with Shoal ${hello.version}, which takes no commands from this version; stop it, or use that version`,
  );
}
