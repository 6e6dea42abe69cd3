import { execFile } from 'node:child_process';

/** The program of coreutils and busybox that calls `syncfs`, which Node does not offer. Not looked for in PATH. */
const PROGRAMS = ['/usr/bin/sync', '/bin/sync'];

/**
 * Brings everything on the file system of `path` to the disk: in one go, where many files have been written, since a sync
 * of each waits for the file system's journal once each.
 *
 * @returns false where this system has no means for it: then each file has to be synced
 */
export async function syncFileSystem(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  for (const program of PROGRAMS) if (await succeeds(program, ['-f', path])) return true;
  return false;
}

function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(program, args, (error) => resolve(error === null));
  });
}
