/** libp2p 3 needs `Promise.withResolvers` (22), and `require` of ES modules came with 22.12. */
const NEEDED: readonly [number, number] = [22, 12];

/**
 * Says what to do where this Node is too old; asked before anything else is loaded, because what is loaded
 * next would fail with something no one can read.
 *
 * @returns undefined where it is new enough
 */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [neededMajor, neededMinor] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `shoal: Node ${version} is too old; install Node ${neededMajor}.${neededMinor} or newer (ERR_NODE_VERSION)`;
}
