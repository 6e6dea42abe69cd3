import { createCipheriv, hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child, type ChildUsage } from './process.ts';

/** Bytes of each file. */
export const SMALL_BYTES = 4096;

/** A folder of `count` files of 4 KiB that all differ. */
export function writeSmallFiles(folder: string, count: number): void {
  const cipher = createCipheriv('aes-256-ctr', Buffer.alloc(32, 'shoal'), Buffer.alloc(16));
  const zeros = Buffer.alloc(SMALL_BYTES);
  mkdirSync(folder);
  for (let i = 0; i < count; i++)
    writeFileSync(join(folder, `file-${String(i).padStart(6, '0')}.bin`), cipher.update(zeros));
}

/** Files a second of the least an import can do in one thread: read each, hash each. */
export function readAndHash(folder: string): number {
  const started = performance.now();
  const names = readdirSync(folder);
  for (const name of names) hash('sha256', readFileSync(join(folder, name)), 'buffer');
  return (names.length * 1000) / (performance.now() - started);
}

/** Files a second of the least a download can do in one thread: read each, write each anew. */
export function copyPlainly(from: string, to: string): number {
  const started = performance.now();
  mkdirSync(to);
  const names = readdirSync(from);
  for (const name of names) writeFileSync(join(to, name), readFileSync(join(from, name)));
  return (names.length * 1000) / (performance.now() - started);
}

/** One folder from one process to another, over loopback. */
export interface SmallFilesResult {
  importPerSec: number;
  fetchPerSec: number;
  sender: ChildUsage;
  receiver: ChildUsage;
}

/** Shares a folder of `count` files in place, and fetches it: verified and on disk. */
export async function shareAndFetch(
  folder: string,
  count: number,
  scratch: string,
): Promise<SmallFilesResult> {
  const [seed, fetch, copy] = ['seed', 'fetch', 'copy'].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ];
  await using sender = new Child('seed.ts', [folder, seed]);
  const { link, shareMs } = await sender.hear<{ link: string; shareMs: number }>();
  await using receiver = new Child('fetch.ts', [link, copy, fetch]);
  const { ms, bytes } = await receiver.hear<{ ms: number; bytes: number }>();
  if (bytes !== count * SMALL_BYTES) throw new Error(`${bytes} bytes were fetched of ${count * SMALL_BYTES}`);
  const result = {
    importPerSec: (count * 1000) / shareMs,
    fetchPerSec: (count * 1000) / ms,
    receiver: await receiver.stop(),
    sender: await sender.stop(),
  };
  await Promise.all([seed, fetch, copy].map((path) => rm(path, { recursive: true })));
  return result;
}
