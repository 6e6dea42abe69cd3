/** Tasks that run in the background, to be waited for at the end. */
export class TaskSet {
  readonly #tasks = new Set<Promise<unknown>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError what becomes of what a task throws */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  run(task: Promise<unknown>): void {
    const tracked = task.catch(this.#onError).finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  /** Resolves when those that run now have ended. */
  async ended(): Promise<void> {
    await Promise.allSettled([...this.#tasks]);
  }
}
