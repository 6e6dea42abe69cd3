import { closeSync, openSync, writeSync } from 'node:fs';
import type { LogLevel } from '../api.ts';
import { ShoalError } from '../errors.ts';
import { fsError, isErrno } from '../store/fs-error.ts';
import { encodeTraceLine, type TraceLine } from '../swarm/core/trace-lines.ts';
import type { ExchangeTrace } from '../swarm/exchange-driver.ts';

/** Characters that wait to be written: a few milliseconds of a busy node, and all that the trace keeps in memory. */
const BUFFER_CHARS = 64 * 1024;

/**
 * Makes a file in which a node's exchange is recorded, as JSON lines for `replayTrace` of `shoal/simulator`.
 * Lines are written synchronously: a queue would grow wherever the disk is slower than the node. Where writing
 * fails the recording ends, with a warning, and the node goes on.
 *
 * @param path must not exist; is readable by its owner only, for it names peers and their addresses
 * @throws ERR_TARGET_EXISTS, and what the file system says
 */
export function openTrace(path: string, log: (level: LogLevel, message: string) => void): ExchangeTrace {
  let file: number | undefined = open(path);
  let waiting = '';
  const flush = (): void => {
    if (file === undefined || waiting === '') return;
    const text = waiting;
    waiting = '';
    try {
      writeSync(file, text);
    } catch (error) {
      closeSync(file);
      file = undefined;
      log('warn', `the trace ends early: ${String(fsError(error, 'write', path))}`);
    }
  };
  return {
    // Not the core's own business, so any seed will do; the trace tells which it was.
    seed: crypto.getRandomValues(new Uint32Array(1))[0] as number,
    write(line: TraceLine): void {
      if (file === undefined) return;
      waiting += `${encodeTraceLine(line)}\n`;
      if (waiting.length >= BUFFER_CHARS) flush();
    },
    end(): void {
      flush();
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

function open(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw fsError(error, 'write a trace to', path);
    const message = `${path} exists already, and a trace replaces nothing; remove it or choose another name`;
    throw new ShoalError('ERR_TARGET_EXISTS', message);
  }
}
