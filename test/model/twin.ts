import { Exchange } from '../../src/swarm/core/exchange.ts';
import { seededRng } from '../../src/swarm/core/rng.ts';
import {
  decodeTraceLine,
  encodeAction,
  encodeTraceLine,
  type TraceLine,
} from '../../src/swarm/core/trace-lines.ts';
import type { ExchangeTrace } from '../../src/swarm/exchange-driver.ts';

/** So many turns lie between two checks of the books: all is counted anew, which is slow. */
const CHECK_EVERY = 37;

/**
 * A second core that is given what a shell's own was given, by way of its trace: the shell hides its core, and the books of
 * this one can be checked. It must do the same, too.
 */
export class Twin implements ExchangeTrace {
  readonly seed: number;
  readonly #onFault: (text: string) => void;
  #exchange: Exchange | undefined;
  #turns = 0;

  constructor(seed: number, onFault: (text: string) => void) {
    this.seed = seed;
    this.#onFault = onFault;
  }

  /** Through the text of the trace: the two must not share what they keep. */
  readonly write = (line: TraceLine): void => {
    this.#watch(() => this.#take(decodeTraceLine(encodeTraceLine(line))));
  };

  end(): void {
    this.#watch(() => this.#exchange?.checkInvariants());
  }

  #watch(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#onFault(error instanceof Error ? error.message : String(error));
    }
  }

  #take(line: TraceLine): void {
    if (line.kind === 'start') this.#exchange = new Exchange(line.config, seededRng(line.seed));
    else if (line.kind === 'event') this.#exchange?.handle(line.nowMs, line.event);
    else this.#compare(line.kind === 'action' ? encodeAction(line.action) : undefined);
  }

  #compare(expected: string | undefined): void {
    const action = this.#exchange?.poll();
    const actual = action && encodeAction(action);
    if (actual !== expected)
      throw new Error(`from its trace the core does ${actual}, and it did ${expected}`);
    if (expected === undefined && ++this.#turns % CHECK_EVERY === 0) this.#exchange?.checkInvariants();
  }
}
