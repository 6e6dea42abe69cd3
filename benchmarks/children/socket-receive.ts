/**
 * Receives bytes over TCP, or over Node's TLS on it; those of TLS go through SHA-256 in this thread and to a file, in
 * writes as long as Shoal's, and synced. As cheaply as Node can: one buffer for what is read, a few for what is written.
 * argv: port, bytes, `tls` or `tcp`, path.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { answerStop, isReady, tell } from './child.ts';

/** Of a write: as long as Shoal's chunks of a file of 1 GiB are. */
const WRITE_BYTES = 1024 * 1024;

/** Writes under way before the socket waits. */
const PARALLEL_WRITES = 4;

const READ_BYTES = 64 * 1024;

const [port = '', total = '0', kind, path = ''] = process.argv.slice(2);

const to = { host: '127.0.0.1', port: Number(port) };
const file = kind === 'tls' ? await open(path, 'w') : undefined;

isReady();
const started = performance.now();
const received = file ? await hashAndWrite(file) : await count();
if (received !== Number(total)) throw new Error(`received ${received} of ${total}`);
tell({ ms: performance.now() - started });
await answerStop(async () => {});

/** Calls `take` with what comes, in memory that is used again as soon as that returns; `take` says whether to go on. */
function onread(take: (piece: Uint8Array) => boolean): { buffer: Uint8Array; callback: typeof callback } {
  const callback = (count: number, buffer: Uint8Array): boolean => take(buffer.subarray(0, count));
  return { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback };
}

async function count(): Promise<number> {
  let bytes = 0;
  const socket = connect({
    ...to,
    onread: onread((piece) => {
      bytes += piece.byteLength;
      return true;
    }),
  });
  await once(socket, 'end');
  return bytes;
}

async function hashAndWrite(file: FileHandle): Promise<number> {
  const hash = createHash('sha256');
  const writes: Promise<void>[] = [];
  let underWay = 0;
  const free: Buffer[] = [];
  const buffer = (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(WRITE_BYTES);
  let gathering = buffer();
  let filled = 0;
  let written = 0;
  const writeOut = async (bytes: Buffer, length: number, at: number): Promise<void> => {
    underWay++;
    await file.write(bytes, 0, length, at);
    underWay--;
    free.push(bytes);
    socket.resume();
  };
  const write = (): void => {
    writes.push(writeOut(gathering, filled, written));
    written += filled;
    gathering = buffer();
    filled = 0;
  };
  const take = (piece: Uint8Array): boolean => {
    hash.update(piece);
    for (let from = 0; from < piece.byteLength;) {
      const count = Math.min(piece.byteLength - from, WRITE_BYTES - filled);
      gathering.set(piece.subarray(from, from + count), filled);
      from += count;
      filled += count;
      if (filled === WRITE_BYTES) write();
    }
    return underWay < PARALLEL_WRITES;
  };
  const options = { ...to, rejectUnauthorized: false, onread: onread(take) };
  const socket = connectTls(options);
  await once(socket, 'end');
  write();
  await Promise.all(writes);
  hash.digest();
  await file.sync();
  await file.close();
  return written;
}
