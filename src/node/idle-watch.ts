import { ShoalError } from '../errors.ts';

/** Later than so much after its time a timer comes where the machine slept, or the page was frozen. */
const ASLEEP_MS = 1000;

/**
 * Aborts when nothing has happened for a while: what turns "nobody has it" and "everybody left" into an error
 * and not into a wait for ever. While the machine sleeps (Windows counts that time), or a browser has frozen the page (as
 * phones do with each that is not looked at), nobody can be heard: who wakes up has the time once more.
 */
export class IdleWatch implements Disposable {
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  readonly #makeError: () => Error;
  #timer: NodeJS.Timeout | undefined;
  #touchedAtMs = 0;
  #isSecondTime = false;

  /**
   * @param timeoutMs the longest time between two `touch` calls; Infinity: for ever
   * @param makeError called when the time is up; its result is the signal's reason
   * @throws ERR_RANGE where the time is none
   */
  constructor(timeoutMs: number, makeError: () => Error) {
    // A timer would take it for 1 ms, and nobody would be found in that.
    if (!(timeoutMs >= 0)) {
      throw new ShoalError(
        'ERR_RANGE',
        `timeoutMs is ${String(timeoutMs)}, and must be a number of ms from 0 on; Infinity waits for ever`,
      );
    }
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
    this.#isSecondTime = false;
    this.#wait();
  }

  /** Aborts now, for another reason. */
  fail(reason: unknown): void {
    this.#controller.abort(reason);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    // setTimeout takes 2^31-1 ms at most; beyond that (Infinity included) is for ever.
    if (this.#timeoutMs > 0x7fffffff) return;
    this.#touchedAtMs = Date.now();
    if (typeof this.#timer === 'object') {
      this.#timer.refresh();
      return;
    }
    // Timers of browsers are numbers, which cannot be set back.
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#handleTimeUp(), this.#timeoutMs);
  }

  #handleTimeUp(): void {
    const isLate = Date.now() - this.#touchedAtMs > this.#timeoutMs + ASLEEP_MS;
    // Timers of a tab behind others are late each time.
    if (!isLate || this.#isSecondTime) return this.#controller.abort(this.#makeError());
    this.#isSecondTime = true;
    this.#wait();
  }
}
