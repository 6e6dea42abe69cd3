import type { FileHandle } from 'node:fs/promises';
import { takeReadMemory } from './sent-memory.ts';
import { noteShortLived } from './short-lived-memory.ts';

/** Reads `length` bytes at `offset` into memory that is the caller's alone; fewer where the file ends before. */
export async function readFilePart(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  // A plain array: `slice` of a Buffer would share its memory.
  const bytes = takeReadMemory(length, noteShortLived);
  let at = 0;
  while (at < length) {
    const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
    if (bytesRead === 0) return bytes.subarray(0, at);
    at += bytesRead;
  }
  return bytes;
}

/** Writes all of `bytes` at `offset`. */
export async function writeFilePart(handle: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.byteLength - at, offset + at);
    at += bytesWritten;
  }
}
