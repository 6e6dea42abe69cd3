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
    // Only nodes were ever fetched: there is nothing on disk that could be wrong.
    if (!found) return { ...report, bytesGood: 0, bytesBad: 0, problems: [] };
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
