import { Option } from 'commander';

/** Chunk sizes of the UnixFS profiles (IPIP-0499) that agree with ours in everything else. */
const PROFILE_CHUNK_SIZES: Readonly<Record<string, number>> = { 'unixfs-v1-2025': 2 ** 20 };

/** `--profile`, of the commands that import. */
export function profileOption(): Option {
  return new Option('--profile <name>', 'chunk as this IPFS profile says (1 MiB)')
    .choices(Object.keys(PROFILE_CHUNK_SIZES))
    .conflicts('chunkSize');
}

/** The chunk size asked for, in bytes; undefined: by file size. */
export function chunkSizeOf(options: { chunkSize?: number; profile?: string }): number | undefined {
  return options.profile === undefined ? options.chunkSize : PROFILE_CHUNK_SIZES[options.profile];
}
