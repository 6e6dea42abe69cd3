import type { CID } from 'multiformats/cid';
import type { VerifyReport } from '../api.ts';
import { ShoalError } from '../errors.ts';
import type { AssetRecord } from '../store/store.ts';
import type { NodeContext } from './node-context.ts';

/** Errors that say nothing of an asset: the folder itself failed. */
const OF_THE_FOLDER: ReadonlySet<string> = new Set(['ERR_INDEX_CORRUPT', 'ERR_CLOSED']);

interface VerifyAssetsOptions {
  onProgress: ((progress: { bytes: number; total: number }) => void) | undefined;
  signal: AbortSignal;
}

/** Re-reads and re-hashes what the store holds, asset by asset. */
export async function* verifyAssets(
  context: NodeContext,
  only: CID | undefined,
  options: VerifyAssetsOptions,
): AsyncGenerator<VerifyReport> {
  const records: AssetRecord[] = [];
  for await (const record of context.store.list())
    if (!only || record.root.equals(only)) records.push(record);
  const total = records.reduce((sum, record) => sum + record.bytesHere, 0);
  let before = 0;
  for (const record of records) {
    options.signal.throwIfAborted();
    yield await verifyAsset(context, record, {
      signal: options.signal,
      onProgress: (bytes) => options.onProgress?.({ bytes: Math.min(before + bytes, total), total }),
    });
    before += record.bytesHere;
  }
}

async function verifyAsset(
  context: NodeContext,
  record: AssetRecord,
  options: { onProgress: (bytes: number) => void; signal: AbortSignal },
): Promise<VerifyReport> {
  const report = { cid: record.root.toString(), name: record.name, path: record.path };
  try {
    const found = await context.store.recheck(record.root, {
      signal: options.signal,
      onCheck: options.onProgress,
    });
    if (!found) return { ...report, ...(await withoutNodes(context, record)) };
    const { isRenewed, ...result } = found;
    if (found.bytesBad > 0) context.active(record.root)?.refetchLost();
    // It may have been taken for changed, and withdrawn.
    if (isRenewed) context.discovery.provide(record.root);
    return { ...report, ...result };
  } catch (error) {
    if (!(error instanceof ShoalError) || options.signal.aborted || OF_THE_FOLDER.has(error.code))
      throw error;
    return { ...report, bytesGood: 0, bytesBad: record.bytesHere, problems: [error.message] };
  }
}

/** What there is to say of an asset that is not put together. */
async function withoutNodes(
  { store }: NodeContext,
  { root }: AssetRecord,
): Promise<Pick<VerifyReport, 'bytesGood' | 'bytesBad' | 'problems'>> {
  const record = await store.get(root);
  // Only nodes were ever fetched, or it was removed meanwhile: there is nothing on disk that could be wrong.
  if (!record || record.state === 'partial' || record.bytesHere === 0)
    return { bytesGood: 0, bytesBad: 0, problems: [] };
  // A repaired index may have the record of an asset and not all of its nodes.
  const { state, path, bytesHere } = record;
  const advice = state === 'shared' ? 'share it again' : 'get it again';
  const problem = `the index no longer knows how ${path ?? root.toString()} is put together, so that it is not served; ${advice}`;
  return { bytesGood: 0, bytesBad: bytesHere, problems: [problem] };
}
