import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child, type ChildUsage } from './process.ts';
import { warmMemory } from './warm-memory.ts';

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
  await using receiver = new Child('fetch.ts', [link, target, join(folder, 'fetch'), 'wait']);
  await receiver.hear();
  await warmMemory(bytes, folder);
  receiver.go();
  const { ms } = await receiver.hear<{ ms: number }>();
  const result = {
    mbPerSec: bytes / 1000 / ms,
    receiver: await receiver.stop(),
    sender: await sender.stop(),
  };
  await Promise.all(['copy', 'seed', 'fetch'].map((each) => rm(join(folder, each), { recursive: true })));
  return result;
}

/**
 * The limit of the machine: the same number of bytes over one socket of Node. `tls`: encrypted, every byte through SHA-256 in
 * the receiver's main thread, and on disk by the same writes. `tcp`: sent, and nothing else.
 */
export async function socketPair(bytes: number, kind: 'tls' | 'tcp', folder: string): Promise<PairResult> {
  const target = join(folder, 'copy');
  await using sender = new Child('socket-send.ts', [String(bytes), kind]);
  const { port } = await sender.hear<{ port: number }>();
  await warmMemory(bytes, folder);
  await using receiver = new Child('socket-receive.ts', [String(port), String(bytes), kind, target]);
  const { ms } = await receiver.hear<{ ms: number }>();
  const result = {
    mbPerSec: bytes / 1000 / ms,
    receiver: await receiver.stop(),
    sender: await sender.stop(),
  };
  await rm(target, { force: true });
  return result;
}

/** The limit of libp2p: the same number of bytes over one bare libp2p stream, with libp2p's TLS or with Shoal's. */
export async function barePair(bytes: number, encrypter: 'stock' | 'native'): Promise<PairResult> {
  await using sender = new Child('stream-send.ts', [String(bytes), encrypter]);
  const { address } = await sender.hear<{ address: string }>();
  await using receiver = new Child('stream-receive.ts', [address, String(bytes), encrypter]);
  const { ms } = await receiver.hear<{ ms: number }>();
  return { mbPerSec: bytes / 1000 / ms, receiver: await receiver.stop(), sender: await sender.stop() };
}
