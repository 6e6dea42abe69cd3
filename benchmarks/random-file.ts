import { createCipheriv } from 'node:crypto';
import { open } from 'node:fs/promises';

/** Writes `bytes` bytes that do not compress and are the same for the same seed (an AES-CTR keystream). */
export async function writeRandomFile(path: string, bytes: number, seed = 'shoal'): Promise<void> {
  const key = Buffer.alloc(32, seed);
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  const zeros = Buffer.alloc(4 * 1024 * 1024);
  const file = await open(path, 'w');
  try {
    for (let at = 0; at < bytes; at += zeros.byteLength) {
      await file.write(cipher.update(zeros.subarray(0, Math.min(zeros.byteLength, bytes - at))));
    }
  } finally {
    await file.close();
  }
}
