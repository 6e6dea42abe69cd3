import { withPickedErrors } from './picked-error.ts';

/**
 * Writes content to a file that a person picked, or wherever a stream leads. The file is what it was until all has been
 * written: browsers write beside it, and put the new one in its place at the end.
 *
 * @param name of the file, for errors
 * @param onBytes called with the bytes of each piece that has been written
 * @throws ERR_ACCESS, ERR_DISK_FULL, ERR_IO, and what the content throws
 */
export async function writeFile(
  to: FileSystemFileHandle | WritableStream<Uint8Array>,
  name: string,
  content: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const target = 'createWritable' in to ? await withPickedErrors(name, () => to.createWritable()) : to;
  const writer = (target as WritableStream<Uint8Array>).getWriter();
  try {
    for await (const piece of content) {
      await withPickedErrors(name, () => writer.write(piece));
      onBytes(piece.byteLength);
    }
    await withPickedErrors(name, () => writer.close());
  } catch (error) {
    await writer.abort(error).catch(() => {});
    throw error;
  }
}
