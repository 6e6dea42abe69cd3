import type { Action, Event } from './core/events.ts';
import type { Exchange } from './core/exchange.ts';
import type { TraceSink } from './core/trace-lines.ts';

/** Where everything that goes into a core and comes out of it is recorded. */
export interface ExchangeTrace {
  /** Of the core's generator, so that the recording can be repeated. */
  readonly seed: number;
  readonly write: TraceSink;
  /** Nothing more comes. */
  end(): void;
}

/**
 * Runs the core on a real clock: hands it events, carries out its actions in order once for each turn of the
 * event loop, and wakes it when it asks.
 */
export class ExchangeDriver {
  readonly #exchange: Exchange;
  readonly #nowMs: () => number;
  readonly #act: (action: Action) => void;
  readonly #trace: TraceSink | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #isScheduled = false;
  #isStopped = false;

  constructor(exchange: Exchange, nowMs: () => number, act: (action: Action) => void, trace?: TraceSink) {
    this.#exchange = exchange;
    this.#nowMs = nowMs;
    this.#act = act;
    this.#trace = trace;
  }

  handle(event: Event): void {
    if (this.#isStopped) return;
    const nowMs = this.#nowMs();
    this.#trace?.({ kind: 'event', nowMs, event });
    this.#exchange.handle(nowMs, event);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.drain());
  }

  /** Carries out all actions that wait. */
  drain(): void {
    this.#isScheduled = false;
    for (let action = this.#exchange.poll(); action; action = this.#exchange.poll()) {
      this.#trace?.({ kind: 'action', action });
      this.#act(action);
    }
    this.#trace?.({ kind: 'drained' });
    this.#setTimer();
  }

  stop(): void {
    this.drain();
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #setTimer(): void {
    const wakeMs = this.#isStopped ? Infinity : (this.#exchange.nextWakeMs() ?? Infinity);
    if (wakeMs === this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = wakeMs;
    if (wakeMs === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        this.handle({ type: 'wake' });
      },
      Math.max(0, Math.ceil(wakeMs - this.#nowMs())),
    );
  }
}
