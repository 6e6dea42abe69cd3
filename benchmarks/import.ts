import { hash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createShoal } from 'shoal';

/** MB/s of bare SHA-256 over as many bytes, in pieces of 1 MiB that lie in memory. */
export function bareSha256(bytes: number): number {
  const piece = Buffer.alloc(1024 * 1024, 7);
  const started = performance.now();
  for (let at = 0; at < bytes; at += piece.byteLength) hash('sha256', piece, 'buffer');
  return bytes / 1000 / (performance.now() - started);
}

/** MB/s of `share` of a file in place: read, chunked, hashed, its nodes stored. */
export async function importInPlace(file: string, bytes: number, folder: string): Promise<number> {
  const dataDir = join(folder, 'import');
  await using shoal = await createShoal({ dataDir, listen: [], mdns: false, dht: false });
  const started = performance.now();
  await shoal.share(file);
  const mbPerSec = bytes / 1000 / (performance.now() - started);
  await shoal.close();
  await rm(dataDir, { recursive: true });
  return mbPerSec;
}
