/** Lets the process end though the timer has not run out. Timers of browsers are numbers, and hold nothing. */
export function letExit(timer: unknown): void {
  if (typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as NodeJS.Timeout).unref();
}
