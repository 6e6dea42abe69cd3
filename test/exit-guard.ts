/** Loaded by mocha before all tests (.mocharc.json). */

/** What a node closes at its end may linger a second; a machine that is busy takes longer. */
const GRACE_MS = 30_000;

/** Standard output and error, where they are pipes. */
const OUTPUT = new Set(['PipeWrap', 'TTYWrap', 'TTYWRAP']);

/**
 * A process that goes on when the tests are over means that something was left open: that is a fault of its own, and
 * after a test that failed it is usual. It ends the run instead of holding it up until somebody else does.
 */
export const mochaHooks = {
  afterAll(): void {
    setTimeout(() => {
      const left = process.getActiveResourcesInfo().filter((each) => !OUTPUT.has(each));
      if (left.length === 0) letGoOfChannels().catch(() => fail(left));
      else fail(left);
    }, GRACE_MS).unref();
  },
};

/**
 * `node-datachannel` 0.33.4 never lets go of the callback of a channel that the other end opened and closed before
 * JavaScript heard of it, and no resource of Node's shows it: nothing but `cleanup` frees it. That is not what this guard
 * is for; what else holds the process still fails the run.
 */
async function letGoOfChannels(): Promise<void> {
  const { cleanup } = await import('node-datachannel');
  process.stderr.write('The tests are over and node-datachannel holds the process: it is cleaned up.\n');
  cleanup();
  setTimeout(() => fail(process.getActiveResourcesInfo()), GRACE_MS).unref();
}

function fail(left: readonly string[]): void {
  process.stderr.write(
    `The tests are over and the process goes on: something is open (${left.join(', ')}).\n`,
  );
  // Mocha sets the number of failures as the process exits; this comes after it.
  process.once('exit', () => void (process.exitCode = 1));
  process.exit();
}
