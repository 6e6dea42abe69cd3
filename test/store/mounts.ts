import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';

/** A file system of its own in memory, for what only a small or read-only one shows. */
export interface TestMount extends AsyncDisposable {
  /** Set it anew where a folder above was renamed. */
  path: string;
  makeReadOnly(): void;
}

/** @returns undefined where this user may not mount: the test is then skipped */
export async function mountTmpfs(path: string, mebibytes: number): Promise<TestMount | undefined> {
  await mkdir(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'shoal-test', path], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  const mount: TestMount = {
    path,
    makeReadOnly: () => void execFileSync('mount', ['-o', 'remount,ro', mount.path], { stdio: 'ignore' }),
    [Symbol.asyncDispose]: async () => void execFileSync('umount', ['-l', mount.path], { stdio: 'ignore' }),
  };
  return mount;
}
