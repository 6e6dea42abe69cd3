import { basename } from 'node:path';
import type { Inspection, InspectOptions } from '../api.ts';
import { importTree } from '../chunking/import-tree.ts';
import { ipfsAddOptions } from '../chunking/ipfs-add-options.ts';
import { absolutePath } from '../store/absolute-path.ts';
import { FileWorkers } from '../store/file-workers.ts';
import { SourceWalk } from '../store/walk-source.ts';
import { optionsOf } from './options-of.ts';

/**
 * Tells what a path would be shared as, without sharing it: nothing is stored and nobody is told.
 *
 * @example
 * ```ts
 * const { cid, ipfsAdd } = await inspect('./video.mp4');
 * ```
 * @throws ERR_OPTION, ERR_NOT_FOUND, ERR_ACCESS, ERR_UNSUPPORTED_FILE, ERR_CHUNK_SIZE, ERR_FILE_CHANGED, ERR_UNSAFE_NAME, the abort reason
 */
export async function inspect(path: string, options?: InspectOptions): Promise<Inspection> {
  const { chunkSize, onProgress, signal } = optionsOf(options);
  const base = absolutePath(path);
  await using workers = new FileWorkers();
  const source = await new SourceWalk({ isThisFolder: () => false }, base, workers, chunkSize).root();
  let bytes = 0;
  const imported = await importTree(source, {
    chunkSize,
    onNode: () => {},
    onBytes: (more) => {
      bytes += more;
      onProgress?.({ bytes });
    },
    signal,
  });
  const { command, note } = ipfsAddOptions(imported);
  return {
    cid: imported.cid.toString(),
    type: imported.type,
    bytes: imported.size,
    chunkSize: imported.type === 'file' ? imported.chunkSize : undefined,
    chunks: imported.leaves,
    nodes: imported.nodes,
    ipfsAdd: command === undefined ? undefined : `${command} ${quoted(basename(base))}`,
    note,
  };
}

/** A name as a POSIX shell takes it. One that begins with a dash would be read as an option. */
function quoted(name: string): string {
  const safe = name.startsWith('-') ? `./${name}` : name;
  return /^[\w@%+=:,./-]+$/.test(safe) ? safe : `'${safe.replaceAll("'", "'\\''")}'`;
}
