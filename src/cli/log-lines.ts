/** A line that a node logged and that is not shown yet. */
interface Line {
  level: string;
  message: string;
}

/**
 * What a node logs, on its way to a person. Much of it is told in another way as well, by an event or by the error
 * that the command ends with, a moment later: that is told once.
 */
export class LogLines {
  readonly #write: (level: string, message: string) => void;
  #lines: Line[] = [];
  /** The command's work is not done, and what a node logs as an error may be what it fails with. */
  #isHoldingErrors: boolean;

  /** @param isHoldingErrors keep errors until {@link release}, for a command whose own error may say the same */
  constructor(write: (level: string, message: string) => void, isHoldingErrors: boolean) {
    this.#write = write;
    this.#isHoldingErrors = isHoldingErrors;
  }

  /** Takes a line; it is shown once what runs now has run, for that is when its event comes. */
  add(level: string, message: string): void {
    this.#lines.push({ level, message });
    queueMicrotask(() => this.#flush());
  }

  /** Something else tells this: lines that say the same are not shown. */
  covered(message: string): void {
    this.#lines = this.#lines.filter(
      (line) => !line.message.includes(message) && !message.includes(line.message),
    );
  }

  /** The command's work is done or has failed: nothing is held back from here on. */
  release(): void {
    this.#isHoldingErrors = false;
    this.#flush();
  }

  #flush(): void {
    const isHeld = ({ level }: Line): boolean => this.#isHoldingErrors && level === 'error';
    const free = this.#lines.filter((line) => !isHeld(line));
    this.#lines = this.#lines.filter(isHeld);
    for (const { level, message } of free) this.#write(level, message);
  }
}
