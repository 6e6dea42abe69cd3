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

const VARINT = 0;
const BYTES = 2;

/**
 * Encodes a UnixFS `Data` message, fields in the order of their numbers, as every importer writes them.
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
  const bytes: number[] = [];
  const number = (field: number, value: number | undefined): void => {
    if (value === undefined) return;
    bytes.push((field << 3) | VARINT);
    pushVarint(bytes, value);
  };
  number(1, UNIXFS_TYPE[type]);
  if (data && data.byteLength > 0) {
    bytes.push((2 << 3) | BYTES);
    pushVarint(bytes, data.byteLength);
    bytes.push(...data);
  }
  number(3, fileSize);
  for (const size of blockSizes) number(4, size);
  number(5, hashType);
  number(6, fanout);
  return Uint8Array.from(bytes);
}

/** @param value up to 2⁵³ − 1 */
function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}
