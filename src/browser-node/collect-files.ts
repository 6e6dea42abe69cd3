import type { PageFile, PageShareSource, PickedHandle } from '../browser-api.ts';
import type { FileToShare } from '../browser-store/import-files.ts';
import type { KeptShare } from '../browser-store/kept-shares.ts';
import { ShoalError } from '../errors.ts';
import { permit } from './file-permission.ts';
import { withPickedErrors } from './picked-error.ts';

/** What a person chose, as the files of one asset and what to call it. */
export interface CollectedFiles {
  files: FileToShare[];
  /** Paths of folders in which there is nothing: only handles tell of them. */
  emptyFolders: string[];
  name: string | undefined;
  /** The handles that all of it comes from; undefined where some of it comes from none. */
  handles: KeptShare['handles'] | undefined;
}

/**
 * Turns whatever the page shares into files with paths. One file alone is a file asset; several, or those of a folder, are
 * a directory, named by the folder they all lie in.
 *
 * @throws ERR_SHARE_SOURCE, ERR_ACCESS, ERR_NOT_FOUND, the abort reason
 */
export async function collectFiles(source: PageShareSource, signal?: AbortSignal): Promise<CollectedFiles> {
  if (source instanceof Uint8Array) source = new Blob([source as Uint8Array<ArrayBuffer>]);
  if (source instanceof Blob)
    return {
      files: [{ path: '', file: source }],
      emptyFolders: [],
      name: nameOf(source),
      handles: undefined,
    };
  if (isHandle(source)) source = [source];
  if (typeof source !== 'object' || source === null || !(Symbol.iterator in source)) throw noFiles();
  const handles: { path: string; handle: PickedHandle }[] = [];
  const chosen: FileToShare[] = [];
  const empty: string[] = [];
  let isFromHandles = true;
  for (const each of source) {
    const { path, what } = partOf(each);
    if (isHandle(what)) {
      handles.push({ path, handle: what });
      await permit(what, 'read');
      for await (const found of contentOf(path, what, signal)) {
        if (typeof found === 'string') empty.push(found);
        else chosen.push(found);
      }
    } else {
      isFromHandles = false;
      chosen.push({ path, file: what });
    }
  }
  const paths = [...chosen.map(({ path }) => path), ...empty];
  if (paths.length === 0)
    throw new ShoalError('ERR_SHARE_SOURCE', 'no file was chosen; choose one or several');
  const below = belowOneFolder(paths);
  const strip = (path: string): string => (below === undefined ? path : path.slice(below.length + 1));
  return {
    files: chosen.map(({ path, file }) => ({ path: strip(path), file })),
    emptyFolders: empty.map(strip),
    name: below,
    handles: isFromHandles ? handles.map(({ path, handle }) => ({ path: strip(path), handle })) : undefined,
  };
}

/**
 * The files of a handle, and the paths of folders in which there is nothing.
 *
 * @param path of it in the asset
 * @throws ERR_ACCESS, ERR_NOT_FOUND, ERR_IO, the abort reason
 */
async function* contentOf(
  path: string,
  handle: PickedHandle,
  signal: AbortSignal | undefined,
): AsyncGenerator<FileToShare | string> {
  signal?.throwIfAborted();
  if (handle.kind === 'file') {
    yield { path, file: await withPickedErrors(path, () => handle.getFile()) };
    return;
  }
  const below: PickedHandle[] = [];
  await withPickedErrors(path, async () => {
    for await (const each of handle.values()) {
      if (signal?.aborted) return;
      below.push(each as PickedHandle);
    }
  });
  signal?.throwIfAborted();
  if (below.length === 0) yield path;
  for (const each of below) yield* contentOf(`${path}/${each.name}`, each, signal);
}

/** What all files lie in, or the one that it is; undefined where they lie in nothing in common. */
function belowOneFolder(paths: readonly string[]): string | undefined {
  const [first = ''] = paths;
  if (paths.length === 1 && !first.includes('/')) return first;
  const top = first.slice(0, first.indexOf('/') + 1);
  return top !== '' && paths.every((path) => path.startsWith(top)) ? top.slice(0, -1) : undefined;
}

/** A file of a folder that was chosen (`<input webkitdirectory>`) knows its path. */
function partOf(each: File | PageFile | PickedHandle): { path: string; what: Blob | PickedHandle } {
  if (each instanceof Blob) return { path: each.webkitRelativePath || each.name, what: each };
  if (isHandle(each)) return { path: each.name, what: each };
  if (typeof each?.path !== 'string' || !(each.file instanceof Blob || isHandle(each.file))) throw noFiles();
  return { path: each.path, what: each.file };
}

function isHandle(value: unknown): value is PickedHandle {
  return typeof FileSystemHandle === 'function' && value instanceof FileSystemHandle;
}

function nameOf(blob: Blob): string | undefined {
  return blob instanceof File ? blob.name : undefined;
}

function noFiles(): ShoalError {
  return new ShoalError(
    'ERR_SHARE_SOURCE',
    'share takes a File, a FileList, handles of files or folders, an array of these or of { path, file }, a Blob or a Uint8Array',
  );
}
