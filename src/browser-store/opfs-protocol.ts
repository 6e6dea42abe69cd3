/** What the page asks of the worker that holds its files. `root` is an asset's text CID. */
export type OpfsRequest =
  /** Whether there are files at all. Answers nothing. */
  | { op: 'hello' }
  /** Opens, or makes, an asset's files, with room for `bytes` of chunks. Answers its bitmap, of `bitmapBytes` bytes. */
  | { op: 'open'; root: string; bytes: number; bitmapBytes: number }
  /** Answers what lies there: fewer bytes at the end of the file. */
  | { op: 'read'; root: string; at: number; size: number }
  /** Writes the bytes of a chunk, then its bit. Answers the bytes: their memory goes back. */
  | { op: 'write'; root: string; chunk: number; at: number; bytes: Uint8Array }
  /** Clears the bit of a chunk. */
  | { op: 'forget'; root: string; chunk: number }
  /** Brings an asset's files to the disk. */
  | { op: 'flush'; root: string }
  | { op: 'close'; root: string }
  /** Deletes an asset's folder, open or not. */
  | { op: 'remove'; root: string };

/** The answer to the request of that number. */
export type OpfsAnswer =
  | { id: number; bytes: Uint8Array | undefined }
  /** The name and message of what was thrown. */
  | { id: number; error: { name: string; message: string } };

/** The folder of all this in the origin's private file system; in it one folder an asset, with these files. */
export const OPFS_FOLDER = 'shoal';
export const DATA_FILE = 'data';
export const BITMAP_FILE = 'bitmap';
