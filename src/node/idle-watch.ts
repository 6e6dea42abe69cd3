/**
 * Aborts when nothing has happened for a while: what turns "nobody has it" and "everybody left" into an error
 * and not into a wait for ever.
 */
export class IdleWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  readonly #makeError: () => Error;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param timeoutMs the longest time between two `touch` calls; Infinity: for ever
   * @param makeError called when the time is up; its result is the signal's reason
   */
  constructor(timeoutMs: number, makeError: () => Error) {
    this.#timeoutMs = timeoutMs;
    this.#makeError = makeError;
    this.touch();
  }

  /** Aborted with the error when time is up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something happened: the time starts anew. */
  touch(): void {
    // setTimeout takes 2^31-1 ms at most; beyond that (Infinity included) is for ever.
    if (this.#timeoutMs > 0x7fffffff) return;
    if (typeof this.#timer === 'object') {
      this.#timer.refresh();
      return;
    }
    // Timers of browsers are numbers, which cannot be set back.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(this.#makeError()), this.#timeoutMs);
  }

  /** Aborts now, for another reason. */
  fail(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
