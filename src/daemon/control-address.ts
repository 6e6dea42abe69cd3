import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { ShoalError } from '../index.ts';

/**
 * Longest path used for a unix socket, in bytes. The kernel's limit is 108 on Linux and 104 on macOS, with the
 * final NUL; a round number below both.
 */
const MAX_SOCKET_PATH_BYTES = 100;

/**
 * Where the owner of a data folder listens for commands: `control.sock` in the folder; where that path is too
 * long, a name made of the folder's hash in a folder of the user's own below the temporary one; on Windows a
 * named pipe with that hash. Two spellings of one folder give one address.
 *
 * @throws ERR_CONTROL_UNSAFE when the temporary folder's place is taken by somebody else
 */
export function controlAddress(dataDir: string, platform: string = process.platform): string {
  const folder = canonical(dataDir);
  const hash = createHash('sha256').update(folder).digest('hex').slice(0, 32);
  if (platform === 'win32') return `\\\\.\\pipe\\shoal-${hash}`;
  const inside = join(folder, 'control.sock');
  if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH_BYTES) return inside;
  return join(privateTemporaryFolder(), `${hash}.sock`);
}

/** The folder may not exist yet: then its plain absolute path is all there is. */
function canonical(dataDir: string): string {
  try {
    // Of `c:` and `C:` on Windows it makes one, which the other one does not.
    return realpathSync.native(dataDir);
  } catch {
    return resolve(dataDir);
  }
}

/** A folder that only this user can enter; somebody else's at its place would read what is handed over. */
function privateTemporaryFolder(): string {
  // In a container a user may have no entry of its own, of which `userInfo` throws.
  const uid = process.getuid?.() ?? userInfo().uid;
  const folder = join(tmpdir(), `shoal-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & 0o077) !== 0) {
    throw new ShoalError(
      'ERR_CONTROL_UNSAFE',
      `${folder} is not a folder that only you can use; remove it, or choose a shorter path with --data`,
    );
  }
  return folder;
}
