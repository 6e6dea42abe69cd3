import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child, type ChildUsage } from './process.ts';

/** One transfer between two processes on loopback. */
export interface PairResult {
  mbPerSec: number;
  sender: ChildUsage;
  receiver: ChildUsage;
}

/** Shoal: shared in place by one process, fetched, verified and on disk in another. */
export async function shoalPair(file: string, bytes: number, folder: string): Promise<PairResult> {
  const target = join(folder, 'copy');
  await using sender = new Child('seed.ts', [file, join(folder, 'seed')]);
  const { link } = await sender.hear<{ link: string }>();
  await using receiver = new Child('fetch.ts', [link, target, join(folder, 'fetch')]);
  const { ms } = await receiver.hear<{ ms: number }>();
  const result = {
    mbPerSec: bytes / 1000 / ms,
    receiver: await receiver.stop(),
    sender: await sender.stop(),
  };
  await Promise.all(['copy', 'seed', 'fetch'].map((each) => rm(join(folder, each), { recursive: true })));
  return result;
}

/** The limit: the same number of bytes over one bare libp2p stream, with libp2p's TLS or with Shoal's. */
export async function barePair(bytes: number, encrypter: 'stock' | 'native'): Promise<PairResult> {
  await using sender = new Child('stream-send.ts', [String(bytes), encrypter]);
  const { address } = await sender.hear<{ address: string }>();
  await using receiver = new Child('stream-receive.ts', [address, String(bytes), encrypter]);
  const { ms } = await receiver.hear<{ ms: number }>();
  return { mbPerSec: bytes / 1000 / ms, receiver: await receiver.stop(), sender: await sender.stop() };
}
