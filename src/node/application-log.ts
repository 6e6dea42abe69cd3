import type { LogLevel } from '../api.ts';

/**
 * The application's log, for those who log: it never throws. They do so in the midst of their work, at the end of a node too,
 * which would stay half open. What it throws is an uncaught exception, as what a listener throws.
 *
 * @param log undefined: nothing is logged
 */
export function applicationLog(
  log: ((level: LogLevel, message: string) => void) | undefined,
): (level: LogLevel, message: string) => void {
  return (level, message) => {
    try {
      log?.(level, message);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}
