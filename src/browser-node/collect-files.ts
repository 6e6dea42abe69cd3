import type { PageFile, PageShareSource } from '../browser-api.ts';
import type { FileToShare } from '../browser-store/import-files.ts';
import { ShoalError } from '../errors.ts';

/** What a person chose, as the files of one asset and what to call it. */
export interface CollectedFiles {
  files: FileToShare[];
  name: string | undefined;
}

/**
 * Turns whatever the page shares into files with paths. One file alone is a file asset; several, or those of a folder, are
 * a directory, named by the folder they all lie in.
 *
 * @throws ERR_SHARE_SOURCE
 */
export function collectFiles(source: PageShareSource): CollectedFiles {
  if (source instanceof Uint8Array) source = new Blob([source as Uint8Array<ArrayBuffer>]);
  if (source instanceof Blob) return { files: [{ path: '', file: source }], name: nameOf(source) };
  if (typeof source !== 'object' || source === null || !(Symbol.iterator in source)) throw noFiles();
  const chosen = [...source].map(toFile);
  const [first] = chosen;
  if (!first) throw new ShoalError('ERR_SHARE_SOURCE', 'no file was chosen; choose one or several');
  if (chosen.length === 1 && !first.path.includes('/'))
    return { files: [{ path: '', file: first.file }], name: first.path };
  const top = first.path.slice(0, first.path.indexOf('/') + 1);
  if (top === '' || !chosen.every(({ path }) => path.startsWith(top)))
    return { files: chosen, name: undefined };
  return {
    files: chosen.map(({ path, file }) => ({ path: path.slice(top.length), file })),
    name: top.slice(0, -1),
  };
}

/** A file of a folder that was chosen (`<input webkitdirectory>`) knows its path. */
function toFile(each: File | PageFile): FileToShare {
  if (each instanceof Blob) return { path: each.webkitRelativePath || each.name, file: each };
  if (typeof each?.path !== 'string' || !(each.file instanceof Blob)) throw noFiles();
  return { path: each.path, file: each.file };
}

function nameOf(blob: Blob): string | undefined {
  return blob instanceof File ? blob.name : undefined;
}

function noFiles(): ShoalError {
  return new ShoalError(
    'ERR_SHARE_SOURCE',
    'share takes a File, a FileList, an array of Files or of { path, file }, a Blob or a Uint8Array',
  );
}
