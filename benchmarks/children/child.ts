/** What the child processes of the benchmarks share: a line of JSON to the parent, and a stop at its word. */

/** Sends one object to the parent. */
export function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Waits for the parent to close stdin, cleans up, and tells the peak memory and CPU time of this process. */
export async function answerStop(cleanUp: () => Promise<void>): Promise<void> {
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
  const usage = process.resourceUsage();
  tell({ peakRssBytes: usage.maxRSS * 1024, cpuMs: (usage.userCPUTime + usage.systemCPUTime) / 1000 });
  await cleanUp();
  process.exit(0);
}
