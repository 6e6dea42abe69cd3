import { hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { bencode } from './bencode.ts';

/** What a torrent says besides the pieces' hashes. */
export interface TorrentOptions {
  /** The file's name within the torrent. */
  name: string;
  /** Bytes of a piece. */
  pieceBytes: number;
  /** The tracker's announce URL. */
  announce: string;
}

/** The bytes of a single-file torrent, version 1 (BEP 3), of the file at `path`. */
export async function makeTorrent(path: string, options: TorrentOptions): Promise<Buffer> {
  const { name, pieceBytes, announce } = options;
  const digests: Buffer[] = [];
  let length = 0;
  const file = await open(path);
  try {
    const piece = Buffer.alloc(pieceBytes);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, pieceBytes, length);
      if (bytesRead === 0) break;
      digests.push(hash('sha1', piece.subarray(0, bytesRead), 'buffer'));
      length += bytesRead;
    }
  } finally {
    await file.close();
  }
  return bencode({
    announce,
    info: { name, length, 'piece length': pieceBytes, pieces: Buffer.concat(digests) },
  });
}
