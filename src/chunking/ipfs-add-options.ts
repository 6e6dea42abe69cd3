import type { ImportedTree } from './import-tree.ts';

/** How to get the same CID from kubo. */
export interface IpfsAdd {
  /** The command line without the path, or undefined where there is none. */
  command: string | undefined;
  /** What to know besides, or why there is no command. */
  note: string | undefined;
}

/** What has to be known of an import: an `ImportedFile` or an `ImportedTree`. */
type Imported = Pick<ImportedTree, 'type' | 'chunkSize'> &
  Partial<Pick<ImportedTree, 'needsBlockEstimation'>>;

/**
 * The `ipfs add` command line that gives the same CID (kubo ≥ 0.35 with its import settings as they come; option names
 * from kubo's core/commands/add.go). For a directory there is one only where one chunk size suits all files, since
 * Shoal chooses it for each file by its size and `ipfs add` takes one for all.
 */
export function ipfsAddOptions({ type, chunkSize, needsBlockEstimation = false }: Imported): IpfsAdd {
  if (chunkSize === undefined) {
    return {
      command: undefined,
      note: 'The files have different chunk sizes, by their sizes, and `ipfs add` takes one for all; share with --chunk-size to get a CID that it can reproduce',
    };
  }
  const words = [
    'ipfs add --cid-version 1 --raw-leaves',
    `--chunker size-${chunkSize}`,
    '--max-file-links 1024',
  ];
  if (type === 'directory') words.push('--recursive --hidden --max-hamt-fanout 256');
  return {
    command: words.join(' '),
    note: needsBlockEstimation
      ? 'Needs kubo 0.40 or later with `ipfs config Import.UnixFSHAMTDirectorySizeEstimation block`, because of a large directory'
      : undefined,
  };
}
