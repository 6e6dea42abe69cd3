/** What the child processes of the benchmarks share: a line of JSON to the parent, and a stop at its word. */

/** Sends one object to the parent. */
export function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** CPU time of this process, all its threads. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

let readyCpuMs = 0;

/** Everything until now was start-up: `transferCpuMs` counts from here. */
export function isReady(): void {
  readyCpuMs = cpuMs();
}

/** Waits for the parent to close stdin, tells the peak memory and CPU time of this process, and cleans up. */
export async function answerStop(cleanUp: () => Promise<void>): Promise<void> {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
  const used = cpuMs();
  tell({
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    cpuMs: used,
    transferCpuMs: used - readyCpuMs,
  });
  await cleanUp();
  process.exit(0);
}
