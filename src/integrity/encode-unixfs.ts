import { ProtoWriter } from './proto-writer.ts';

/** What a UnixFS node is, by its number in the `Data` message (UnixFS specification). */
export const UNIXFS_TYPE = { directory: 1, file: 2, symlink: 4, shard: 5 } as const;

/** The fields of a UnixFS `Data` message that Shoal writes. */
export interface UnixFsData {
  type: keyof typeof UNIXFS_TYPE;
  data?: Uint8Array;
  /** Content bytes of a file in all. */
  fileSize?: number;
  /** Content bytes below each link of a file. */
  blockSizes?: readonly number[];
  hashType?: number;
  fanout?: number;
}

/**
 * Encodes a UnixFS `Data` message, fields in the order of their numbers, as every importer writes them: also a size of 0.
 *
 * Not by `ipfs-unixfs` (13.1.1): its protobuf writer leaves integers from 2³¹ to 2³² − 1 unwritten, so that files of 2 to
 * 4 GiB would get nodes of nonsense.
 */
export function encodeUnixFs({
  type,
  data,
  fileSize,
  blockSizes = [],
  hashType,
  fanout,
}: UnixFsData): Uint8Array {
  const out = new ProtoWriter();
  const number = (field: number, value: number | undefined): void => {
    if (value !== undefined) out.required(field, value);
  };
  number(1, UNIXFS_TYPE[type]);
  if (data && data.byteLength > 0) out.bytes(2, data);
  number(3, fileSize);
  for (const size of blockSizes) number(4, size);
  number(5, hashType);
  number(6, fanout);
  return out.finish();
}
