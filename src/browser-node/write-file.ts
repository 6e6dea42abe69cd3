import { pickedError, streamError, withPickedErrors } from './picked-error.ts';

/**
 * Writes content to a file that a person picked, or wherever a stream leads. The file is what it was until all has been
 * written: browsers write beside it, and put the new one in its place at the end.
 *
 * @param name of the file, for errors
 * @param onBytes called with the bytes of each piece that has been written
 * @param signal ends the wait for a stream that takes nothing; what a file is asked to write it writes
 * @throws ERR_ACCESS, ERR_DISK_FULL, ERR_IO, the abort reason, and what the content throws
 */
export async function writeFile(
  to: FileSystemFileHandle | WritableStream<Uint8Array>,
  name: string,
  content: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const isFile = 'createWritable' in to;
  const target = isFile ? await withPickedErrors(name, () => to.createWritable()) : to;
  const writer = (target as WritableStream<Uint8Array>).getWriter();
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => {});
  const abort = (): void => aborted.reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const told = isFile || isOfFile(to) ? pickedError : streamError;
  const unlessAborted = async (act: () => Promise<void>): Promise<void> => {
    const done = act().catch((error: unknown) => {
      throw told(name, error);
    });
    await Promise.race([done, aborted.promise]);
  };
  try {
    signal?.throwIfAborted();
    for await (const piece of content) {
      await unlessAborted(() => writer.write(piece));
      onBytes(piece.byteLength);
    }
    await unlessAborted(() => writer.close());
  } catch (error) {
    const ending = writer.abort(error).catch(() => {});
    // A stream aborts when its last write has ended, which may be never.
    if (isFile) await ending;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** What `createWritable` of a file gives: its errors are the browser's. */
function isOfFile(stream: WritableStream): boolean {
  return typeof FileSystemWritableFileStream === 'function' && stream instanceof FileSystemWritableFileStream;
}
