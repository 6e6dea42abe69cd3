import type { CID } from 'multiformats/cid';
import type { VerifyReport } from '../api.ts';
import { ShoalError } from '../errors.ts';
import type { AssetRecord, StoredAsset } from '../store/store.ts';
import type { NodeContext } from './node-context.ts';

/** Sentences kept of one asset: a person reads the first few. */
const MAX_PROBLEMS = 100;

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
  const active = context.active(record.root)?.stored;
  let stored: StoredAsset | undefined;
  try {
    stored = active ?? (await context.store.open(record.root, { signal: options.signal }));
    // Only the root was ever fetched: there is nothing on disk that could be wrong.
    if (!stored) return { ...report, bytesGood: 0, bytesBad: 0, problems: [] };
    return { ...report, ...(await readAll(stored, record, options)) };
  } catch (error) {
    if (!(error instanceof ShoalError) || options.signal.aborted) throw error;
    return { ...report, bytesGood: 0, bytesBad: record.bytesHere, problems: [error.message] };
  } finally {
    if (stored !== active) await stored?.close();
  }
}

async function readAll(
  stored: StoredAsset,
  record: AssetRecord,
  options: { onProgress: (bytes: number) => void; signal: AbortSignal },
): Promise<{ bytesGood: number; bytesBad: number; problems: string[] }> {
  const { manifest } = stored;
  const have = stored.have();
  const problems: string[] = [];
  let bytesGood = 0;
  let bytesBad = 0;
  for (let chunk = 0; chunk < manifest.chunkCount; chunk++) {
    if (!have.has(chunk)) continue;
    options.signal.throwIfAborted();
    try {
      await stored.read(chunk, options.signal);
      bytesGood += manifest.chunkSize(chunk);
    } catch (error) {
      if (!(error instanceof ShoalError)) throw error;
      bytesBad += manifest.chunkSize(chunk);
      if (problems.length < MAX_PROBLEMS && !problems.includes(error.message)) problems.push(error.message);
    }
    options.onProgress(bytesGood + bytesBad);
  }
  // Opening a partial re-hashes it and drops what fails: what is recorded and not there any more was bad.
  const dropped = Math.max(0, record.bytesHere - bytesGood - bytesBad);
  if (dropped > 0)
    problems.push(`${dropped} bytes of the partial download were damaged or missing; they are fetched again`);
  return { bytesGood, bytesBad: bytesBad + dropped, problems };
}
