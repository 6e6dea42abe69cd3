import { ShoalError } from '../errors.ts';
import type { OpfsAnswer, OpfsRequest } from './opfs-protocol.ts';
import { opfsWorkerSource } from './opfs-worker-source.ts';
import { TransferBuffers } from './transfer-buffers.ts';

interface Waiting {
  resolve(bytes: Uint8Array | undefined): void;
  reject(error: Error): void;
}

/** The page's side of the worker that reads and writes its files. */
export class OpfsClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #buffers = new TransferBuffers();
  #nextId = 0;
  #failure: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<OpfsAnswer>) => this.#handleAnswer(data));
    worker.addEventListener('error', (event) => this.#fail(event.message));
    worker.addEventListener('messageerror', () => this.#fail('it sent what cannot be read'));
  }

  /** @throws why there is none: no workers, a content security policy that refuses `blob:`, no private files … */
  static async start(): Promise<OpfsClient> {
    if (typeof navigator.storage?.getDirectory !== 'function')
      throw new Error('the browser has no private files');
    const url = URL.createObjectURL(new Blob([opfsWorkerSource], { type: 'text/javascript' }));
    try {
      const client = new OpfsClient(new Worker(url, { name: 'shoal files' }));
      try {
        await client.ask({ op: 'hello' });
      } catch (error) {
        client.close();
        throw error;
      }
      return client;
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /**
   * What the worker answers.
   *
   * @param transfer memory that is the worker's from here on
   * @throws what it threw: an error with the name of the browser's
   */
  ask(request: OpfsRequest, transfer: Transferable[] = []): Promise<Uint8Array | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#nextId++;
    this.#waiting.set(id, { resolve, reject });
    this.#worker.postMessage({ id, request }, transfer);
    return promise;
  }

  /** Writes a chunk and its bit. The bytes are the caller's again at once. @throws as {@link ask} */
  async write(where: { root: string; chunk: number; at: number }, bytes: Uint8Array): Promise<void> {
    const copy = this.#buffers.copyOf(bytes);
    const back = await this.ask({ op: 'write', ...where, bytes: copy }, [copy.buffer]);
    if (back) this.#buffers.give(back);
  }

  /** Ends the worker, which closes its files. */
  close(): void {
    this.#worker.terminate();
    this.#fail('it was closed');
  }

  #handleAnswer(answer: OpfsAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (!('error' in answer)) waiting?.resolve(answer.bytes);
    else waiting?.reject(new DOMException(answer.error.message, answer.error.name));
  }

  #fail(why: string): void {
    this.#failure ??= new ShoalError(
      'ERR_IO',
      `the worker that keeps this page's files ended: ${why || 'the browser does not say why; a content security policy has to allow worker-src blob:'}`,
    );
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure);
    this.#waiting.clear();
  }
}
