import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Child } from './process.ts';

/**
 * MB/s at which one seed gives a file to `count` downloaders that begin together, a process each: all their bytes over
 * the time until the last has everything, verified and on disk. They listen nowhere, so that it is the seed from which
 * each has all of it.
 */
export async function crowd(file: string, bytes: number, count: number, folder: string): Promise<number> {
  const names = Array.from({ length: count }, (_, i) => `down-${i}`);
  await using seed = new Child('seed.ts', [file, join(folder, 'seed')]);
  const { link } = await seed.hear<{ link: string }>();
  await using downloaders = new AsyncDisposableStack();
  const children = names.map((name) => {
    return downloaders.use(
      new Child('fetch.ts', [link, join(folder, `${name}.copy`), join(folder, name), 'wait']),
    );
  });
  for (const child of children) await child.hear<{ ready: true }>();
  const started = performance.now();
  for (const child of children) child.go();
  await Promise.all(children.map((child) => child.hear<{ ms: number }>()));
  const ms = performance.now() - started;
  await Promise.all(children.map((child) => child.stop()));
  await seed.stop();
  const left = ['seed', ...names, ...names.map((name) => `${name}.copy`)];
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true })));
  return (count * bytes) / 1000 / ms;
}
