import { basename } from 'node:path';
import type { Shoal, Shared } from '../index.ts';
import type { JobContext, ShareJob } from './job.ts';
import { Throttle } from './throttle.ts';

/** Hashing a small file is over before anybody reads of it; a large one is reported this often. */
const REPORT_INTERVAL_MS = 250;

/** Shares each source as an asset of its own, tells their links, then serves. */
export async function runShare(shoal: Shoal, job: ShareJob, context: JobContext): Promise<void> {
  for (const source of job.sources) {
    const shared = await shareOne(shoal, source, job.chunkSize, context);
    context.emit({
      event: 'sharing',
      cid: shared.cid,
      link: shared.link,
      bytes: shared.bytes,
      path: shared.path,
      addresses: shoal.addresses,
    });
  }
  await context.linger('forever');
}

function shareOne(
  shoal: Shoal,
  source: string,
  chunkSize: number | undefined,
  context: JobContext,
): Promise<Shared> {
  const throttle = new Throttle(REPORT_INTERVAL_MS);
  throttle.passes(performance.now());
  const { signal } = context;
  return shoal.share(source === '-' ? context.input() : source, {
    chunkSize,
    signal,
    name: source === '-' ? undefined : basename(source) || undefined,
    onProgress: ({ bytes, total }) => {
      if (throttle.passes(performance.now())) context.emit({ event: 'hashing', path: source, bytes, total });
    },
  });
}
