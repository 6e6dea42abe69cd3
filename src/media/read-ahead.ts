/**
 * How much is fetched at a time: some seconds of the best video, and enough for many peers to give at once. A power of two,
 * so that it ends where chunks end.
 */
export const WINDOW_BYTES = 16 << 20;

/** Opens a part of a file for reading. */
export type OpenPart = (offset: number, length: number, signal: AbortSignal) => AsyncIterable<Uint8Array>;

/**
 * Reads `[offset, offset + length)` through windows that are opened one after the other, the next one when half of the
 * present one has been read. A stream of an asset fetches all that it was opened for, however slowly it is read; this one
 * fetches one window and a half beyond its reader, so that a film that is paused is not fetched to its end.
 */
export async function* readAhead(
  open: OpenPart,
  offset: number,
  length: number,
  signal: AbortSignal,
  windowBytes = WINDOW_BYTES,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const end = offset + length;
  const openAt = (start: number): Window =>
    new Window(open, start, endOfWindow(start, end, windowBytes), either);
  let window: Window | undefined = openAt(offset);
  let next: Window | undefined;
  try {
    while (window) {
      for (let piece = await window.read(); piece; piece = await window.read()) {
        if (!next && window.end < end && window.isHalfRead) next = openAt(window.end);
        yield piece;
      }
      window = next;
      next = undefined;
    }
  } finally {
    stop.abort();
    await Promise.allSettled([window?.close(), next?.close()]);
  }
}

function endOfWindow(start: number, end: number, windowBytes: number): number {
  return Math.min(end, (Math.floor(start / windowBytes) + 1) * windowBytes);
}

/** A part that is being fetched from the moment it is made. */
class Window {
  readonly end: number;
  readonly #start: number;
  readonly #pieces: AsyncIterator<Uint8Array>;
  #first: Promise<IteratorResult<Uint8Array>> | undefined;
  #at: number;

  constructor(open: OpenPart, start: number, end: number, signal: AbortSignal) {
    this.end = end;
    this.#start = start;
    this.#at = start;
    this.#pieces = open(start, end - start, signal)[Symbol.asyncIterator]();
    this.#first = this.#pieces.next();
    // It may fail before anybody reads of it; whoever does is told then.
    this.#first.catch(() => undefined);
  }

  get isHalfRead(): boolean {
    return this.#at - this.#start >= (this.end - this.#start) / 2;
  }

  async read(): Promise<Uint8Array | undefined> {
    const { done, value } = await (this.#first ?? this.#pieces.next());
    this.#first = undefined;
    if (done) return undefined;
    this.#at += value.byteLength;
    return value;
  }

  /** Lets go of what is still wanted of it. Its signal has been aborted. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}
