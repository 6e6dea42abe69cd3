import { ShoalError, type AssetEntry, type Shoal } from '../index.ts';
import { errorCode, errorMessage } from './error-text.ts';
import type { Job, JobContext, LimitJob, RemoveJob } from './job.ts';
import { runGet } from './run-get.ts';
import { runShare } from './run-share.ts';
import { Throttle } from './throttle.ts';

/** Most entries that `inspect` lists; a directory with more is told by its number of entries. */
const MAX_LISTED_ENTRIES = 1000;

/** The root of what is shared from here is read from the disk, and nobody else is to be waited for. */
const HERE_TIMEOUT_MS = 2_000;

/** Reports of hashing and checking are for eyes: ten a second are plenty. */
const REPORT_INTERVAL_MS = 100;

/**
 * Does a job with the node that owns the data folder. Resolves when it is done, lingering included; rejects with
 * what went wrong, or with the signal's reason.
 *
 * @param network name of the node's network, for `id`
 */
export async function runJob(shoal: Shoal, network: string, job: Job, context: JobContext): Promise<void> {
  context.signal.throwIfAborted();
  switch (job.verb) {
    case 'share':
      return runShare(shoal, job, context);
    case 'get':
      return runGet(shoal, job, context);
    case 'seed':
      return runSeed(shoal, job.announce ?? [], context);
    case 'ls':
      return runList(shoal, context);
    case 'rm':
      return runRemove(shoal, job, context);
    case 'limit':
      return runLimit(shoal, job, context);
    case 'verify':
      return runVerify(shoal, job.cids, context);
    case 'inspect':
      return runInspect(shoal, job.cid, job.timeoutMs, context);
    case 'id':
      context.emit({
        event: 'id',
        peer: shoal.id,
        addresses: shoal.addresses,
        dataDir: shoal.dataDir,
        network,
      });
  }
}

async function runSeed(shoal: Shoal, announce: readonly string[], context: JobContext): Promise<void> {
  const { assets } = await shoal.seed({ signal: context.signal });
  for await (const { cid, bytes, path } of shoal.list()) {
    if (!announce.includes(cid) || bytes === undefined) continue;
    const link = await linkOf(shoal, cid, context);
    if (link) context.emit({ event: 'sharing', cid, link, bytes, path, addresses: shoal.addresses });
  }
  context.emit({ event: 'seeding', assets, addresses: shoal.addresses });
  await context.linger('forever');
}

/** An asset whose original has gone since has no link: that is told, and the others are served. */
async function linkOf(shoal: Shoal, cid: string, context: JobContext): Promise<string | undefined> {
  try {
    await using asset = await shoal.open(cid, { signal: context.signal, timeoutMs: HERE_TIMEOUT_MS });
    return asset.link;
  } catch (error) {
    context.signal.throwIfAborted();
    context.emit({ event: 'warning', code: errorCode(error), message: errorMessage(error) });
    return undefined;
  }
}

async function runList(shoal: Shoal, context: JobContext): Promise<void> {
  for await (const asset of shoal.list()) {
    context.signal.throwIfAborted();
    context.emit({ event: 'asset', ...asset });
  }
}

async function runRemove(shoal: Shoal, { cids, begun }: RemoveJob, context: JobContext): Promise<void> {
  for (const cid of cids) {
    context.signal.throwIfAborted();
    try {
      await shoal.remove(cid, { signal: context.signal });
    } catch (error) {
      if (cid !== begun || errorCode(error) !== 'ERR_UNKNOWN_ASSET') throw error;
    }
    context.emit({ event: 'removed', cid });
  }
}

function runLimit(shoal: Shoal, { cids, limits, perPeer }: LimitJob, context: JobContext): void {
  for (const cid of cids) {
    shoal.setAssetLimits(cid, limits);
    context.emit({ event: 'limited', cid, ...limits });
  }
  if (cids.length > 0) return;
  shoal.setLimits({ ...limits, perPeer });
  context.emit({ event: 'limited', ...limits, perPeer });
}

async function runVerify(shoal: Shoal, cids: readonly string[], context: JobContext): Promise<void> {
  const throttle = new Throttle(REPORT_INTERVAL_MS);
  const onProgress = ({ bytes, total }: { bytes: number; total: number }): void => {
    if (throttle.passes(performance.now())) context.emit({ event: 'verifying', bytes, total });
  };
  let bad = 0;
  for (const cid of cids.length === 0 ? [undefined] : cids) {
    for await (const report of shoal.verify(cid, { signal: context.signal, onProgress })) {
      if (report.bytesBad > 0 || report.problems.length > 0) bad++;
      context.emit({ event: 'verified', ...report });
    }
  }
  if (bad === 0) return;
  const what = bad === 1 ? '1 asset is' : `${bad} assets are`;
  throw new ShoalError(
    'ERR_VERIFY_FAILED',
    `${what} not what the data folder says; get or share what is named above again`,
  );
}

async function runInspect(shoal: Shoal, cid: string, timeoutMs: number, context: JobContext): Promise<void> {
  const options = { signal: context.signal, timeoutMs };
  await using asset = await shoal.open(cid, options);
  const entries: AssetEntry[] = [];
  let more = 0;
  if (asset.type === 'directory') {
    for await (const entry of asset.entries(options)) {
      if (entries.length < MAX_LISTED_ENTRIES) entries.push(entry);
      else more++;
    }
  }
  let bytesHere = 0;
  for await (const info of shoal.list()) if (info.cid === asset.cid) bytesHere = info.bytesHere;
  context.emit({
    event: 'inspected',
    cid: asset.cid,
    type: asset.type,
    bytes: asset.size,
    name: asset.name,
    bytesHere,
    entries: asset.type === 'directory' ? entries : undefined,
    note: more === 0 ? undefined : `and ${more} entries more`,
  });
}
