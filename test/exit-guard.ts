/** Loaded by mocha before all tests (.mocharc.json). */

/** What a node closes at its end may linger a second; a machine that is busy takes longer. */
const GRACE_MS = 30_000;

/**
 * A process that goes on when the tests are over means that something was left open: that is a fault of its own, and
 * after a test that failed it is usual. It ends the run instead of holding it up until somebody else does.
 */
export const mochaHooks = {
  afterAll(): void {
    const timer = setTimeout(() => {
      const left = process.getActiveResourcesInfo().join(', ');
      process.stderr.write(`The tests are over and the process goes on: something is open (${left}).\n`);
      // Mocha sets the number of failures as the process exits; this comes after it.
      process.once('exit', () => void (process.exitCode = 1));
      process.exit();
    }, GRACE_MS);
    timer.unref();
  },
};
