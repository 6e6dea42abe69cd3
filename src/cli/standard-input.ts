import { createReadStream, fstatSync } from 'node:fs';
import { ShoalError } from '../index.ts';

/**
 * The bytes of standard input. Of a folder or a disk (`< /dev/sdb`) Node's own `process.stdin` is empty, and says nothing.
 *
 * @throws ERR_SHARE_SOURCE
 */
export function standardInput(): AsyncIterable<Uint8Array> {
  // On Windows it is neither, and not every handle is told of.
  if (process.platform === 'win32') return process.stdin;
  const { fd } = process.stdin;
  const kind = fstatSync(fd);
  if (kind.isDirectory()) {
    throw new ShoalError(
      'ERR_SHARE_SOURCE',
      'standard input is a folder, of which nothing can be read; name it: shoal share <path>',
    );
  }
  return kind.isBlockDevice() ? createReadStream('', { fd, autoClose: false }) : process.stdin;
}
