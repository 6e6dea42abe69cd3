import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** The systems inherit it: what else the machine does then weighs little, though it still shows as CPU and load. */
const NICE = -15;

/**
 * Gives this process and its children precedence. Where the kernel groups processes by session (sched_autogroup), it
 * is the group's niceness that counts.
 */
export function takePrecedence(): void {
  setPriority(NICE);
  try {
    writeFileSync('/proc/self/autogroup', String(NICE));
  } catch {
    // No such grouping here.
  }
}
