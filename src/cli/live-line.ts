import { Throttle } from '../daemon/throttle.ts';
import type { TextStream } from './reporter.ts';

/** A terminal that tells no width has the width that all once had. */
const DEFAULT_COLUMNS = 80;

/** Eyes see no more than this, and a slow terminal takes no more. */
const REDRAW_INTERVAL_MS = 100;

/** The one line of a terminal that is drawn again and again, and is gone when it ends. */
export class LiveLine {
  readonly #out: TextStream;
  readonly #now: () => number;
  readonly #throttle = new Throttle(REDRAW_INTERVAL_MS);
  #isShown = false;

  constructor(out: TextStream, now: () => number) {
    this.#out = out;
    this.#now = now;
  }

  /** Draws what `render` makes of the width, unless the last drawing is too fresh, or the terminal has not taken it. */
  show(render: (width: number) => string): void {
    if ((this.#out.writableLength ?? 0) > 0) return;
    if (!this.#throttle.passes(this.#now())) return;
    // The last column stays free: a full line makes some terminals wrap.
    const width = (this.#out.columns || DEFAULT_COLUMNS) - 1;
    this.#out.write(`\r${render(width)}\u001b[K`);
    this.#isShown = true;
  }

  /** Takes the line away, so that something else can be printed. */
  clear(): void {
    if (this.#isShown) this.#out.write('\r\u001b[K');
    this.#isShown = false;
  }
}
