import { ShoalError } from '../errors.ts';
import { withPickedErrors } from './picked-error.ts';

/** What a person lets a page do with a file or folder, or has yet to be asked for. */
export type FilePermission = 'granted' | 'prompt' | 'denied';

/** What TypeScript's declarations lack: Chromium has them, for what a person picked. */
interface Permitted {
  queryPermission?(descriptor: { mode: 'read' | 'readwrite' }): Promise<FilePermission>;
  requestPermission?(descriptor: { mode: 'read' | 'readwrite' }): Promise<FilePermission>;
}

/**
 * Whether this page may use a handle.
 *
 * @param isAsked whether the browser may ask the person: it does so only upon a click or a key, a moment ago
 */
export async function permissionOf(
  handle: FileSystemHandle & Permitted,
  mode: 'read' | 'readwrite',
  isAsked: boolean,
): Promise<FilePermission> {
  // Where a browser has no such question, whoever has the handle may use it.
  const now = (await handle.queryPermission?.({ mode })) ?? 'granted';
  if (now !== 'prompt' || !isAsked) return now;
  return (await handle.requestPermission?.({ mode })) ?? now;
}

/** @throws ERR_ACCESS where the page may not use the handle so, and the person does not allow it when asked */
export async function permit(handle: FileSystemHandle, mode: 'read' | 'readwrite'): Promise<void> {
  const found = await withPickedErrors(handle.name, () => permissionOf(handle, mode, true));
  if (found === 'granted') return;
  throw new ShoalError(
    'ERR_ACCESS',
    `this page may not ${mode === 'read' ? 'read' : 'write to'} ${handle.name}: it was not allowed to; pick it again, and allow it`,
  );
}
