import { ShoalError } from '../errors.ts';

/**
 * Writes content to a file that a person picked, or wherever a stream leads. The file is what it was until all has been
 * written: browsers write beside it, and put the new one in its place at the end.
 *
 * @throws ERR_ACCESS, ERR_DISK_FULL, ERR_IO, and what the content throws
 */
export async function writeFile(
  to: FileSystemFileHandle | WritableStream<Uint8Array>,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  const name = 'name' in to ? to.name : 'the stream';
  const writing = async <T>(task: () => Promise<T>): Promise<T> => {
    try {
      return await task();
    } catch (cause) {
      throw fileError(name, cause);
    }
  };
  const target = 'createWritable' in to ? await writing(() => to.createWritable()) : to;
  const writer = (target as WritableStream<Uint8Array>).getWriter();
  try {
    for await (const piece of content) await writing(() => writer.write(piece));
    await writing(() => writer.close());
  } catch (error) {
    await writer.abort(error).catch(() => {});
    throw error;
  }
}

function fileError(name: string, cause: unknown): ShoalError {
  const kind = (cause as Partial<Error>).name;
  if (kind === 'NotAllowedError') {
    return new ShoalError(
      'ERR_ACCESS',
      `the browser does not let this page write to ${name}; ask the person to pick a file again`,
      { cause },
    );
  }
  if (kind === 'QuotaExceededError') {
    return new ShoalError(
      'ERR_DISK_FULL',
      `there is no more room for ${name}; free some, and save again: what was fetched is still here`,
      { cause },
    );
  }
  return new ShoalError('ERR_IO', `${name} could not be written: ${String(cause)}`, { cause });
}
