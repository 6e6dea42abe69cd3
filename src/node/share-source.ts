import { fileURLToPath } from 'node:url';
import { isUint8Array } from 'node:util/types';
import type { ShareSource } from '../api.ts';
import { ShoalError } from '../errors.ts';
import { absolutePath } from '../store/absolute-path.ts';

/** What the store imports: an absolute path, or content. */
export type StoreSource = string | { name?: string; content: AsyncIterable<Uint8Array>; size?: number };

/** Bytes of a `Uint8Array` handed on at once, so that import can be aborted and reports progress. */
const SLICE_BYTES = 1024 * 1024;

/** Turns whatever the application shares into what the store imports. @throws ERR_SHARE_SOURCE, and for a path that is none */
export function toStoreSource(source: ShareSource, name: string | undefined): StoreSource {
  if (typeof source === 'string') return absolutePath(source);
  if (source instanceof URL) return absolutePath(pathOf(source));
  // Of another realm too: test runners and `vm` have one of their own.
  if (isUint8Array(source)) return { name, content: slices(source), size: source.byteLength };
  if (source instanceof Blob)
    return { name: name ?? blobName(source), content: source.stream(), size: source.size };
  if (typeof source === 'object' && source !== null && Symbol.asyncIterator in source) {
    return { name, content: source as AsyncIterable<Uint8Array> };
  }
  throw new ShoalError(
    'ERR_SHARE_SOURCE',
    'share takes a path, a file: URL, a Uint8Array, a Blob, a ReadableStream or an AsyncIterable of Uint8Array',
  );
}

/** Node's own errors say what is wrong with a URL, and are no `ShoalError`s. */
function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ShoalError('ERR_SHARE_SOURCE', `${url.href} names no file on this machine: ${why}`, { cause });
  }
}

function blobName(blob: Blob): string | undefined {
  return 'name' in blob && typeof blob.name === 'string' ? blob.name : undefined;
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) yield bytes.subarray(at, at + SLICE_BYTES);
}
