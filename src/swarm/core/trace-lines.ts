import { Bitfield } from './bitfield.ts';
import type { Action, Event } from './events.ts';
import type { ExchangeConfig } from './exchange-config.ts';

/** Version of the format: the first thing in a trace. */
export const TRACE_VERSION = 1;

/**
 * One line of a trace: everything that went into an `Exchange` and came out of it, in its order. An `action` was
 * polled where it stands; `drained` says that a poll gave nothing there.
 */
export type TraceLine =
  | { kind: 'start'; version: number; seed: number; config: ExchangeConfig }
  | { kind: 'event'; nowMs: number; event: Event }
  | { kind: 'action'; action: Action }
  | { kind: 'drained' };

/** Takes the lines of a trace as they come. What it is given may change afterwards: it keeps nothing of it. */
export type TraceSink = (line: TraceLine) => void;

const DRAINED = '["."]';

/** A line as text (JSON, without its end of line). */
export function encodeTraceLine(line: TraceLine): string {
  switch (line.kind) {
    case 'start':
      return write(['trace', line.version, line.seed, line.config]);
    case 'event':
      return write(['e', line.nowMs, line.event]);
    case 'action':
      return encodeAction(line.action);
    case 'drained':
      return DRAINED;
  }
}

/** An action's line: two actions are the same where their lines are. */
export function encodeAction(action: Action): string {
  return write(['a', action]);
}

/**
 * Reads a line.
 *
 * @throws SyntaxError where it is none
 */
export function decodeTraceLine(text: string): TraceLine {
  const [kind, ...rest] = JSON.parse(text, revive) as unknown[];
  switch (kind) {
    case 'trace': {
      const [version, seed, config] = rest as [number, number, ExchangeConfig];
      return { kind: 'start', version, seed, config };
    }
    case 'e': {
      const [nowMs, event] = rest as [number, Event];
      return { kind: 'event', nowMs, event };
    }
    case 'a':
      return { kind: 'action', action: rest[0] as Action };
    case '.':
      return { kind: 'drained' };
    default:
      throw new SyntaxError('no line of a trace');
  }
}

function write(line: readonly unknown[]): string {
  return JSON.stringify(line, (_key, value: unknown) => {
    if (value instanceof Bitfield) return { $bits: value.size, of: toBase64(value.bytes) };
    if (value instanceof Uint8Array) return { $bytes: toBase64(value) };
    if (value instanceof Uint32Array) return { $counts: runsOf(value) };
    if (value instanceof Map) return { $map: [...(value as Map<unknown, unknown>)] };
    if (value === Infinity) return { $infinity: true };
    return value;
  });
}

function revive(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('$bits' in value && 'of' in value) {
    return new Bitfield(Number(value.$bits), fromBase64(String(value.of)));
  }
  if ('$bytes' in value) return fromBase64(String(value.$bytes));
  if ('$counts' in value) return fromRuns(value.$counts as readonly number[]);
  if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
  return '$infinity' in value ? Infinity : value;
}

/** Most chunks of an asset are of one size: value and how often, in turn. */
function runsOf(values: Uint32Array): number[] {
  const runs: number[] = [];
  for (const value of values) {
    if (runs.at(-2) === value) runs.push((runs.pop() as number) + 1);
    else runs.push(value, 1);
  }
  return runs;
}

function fromRuns(runs: readonly number[]): Uint32Array {
  let size = 0;
  for (let i = 1; i < runs.length; i += 2) size += runs[i] as number;
  const values = new Uint32Array(size);
  let at = 0;
  for (let i = 0; i < runs.length; i += 2) {
    const end = at + (runs[i + 1] as number);
    values.fill(runs[i] as number, at, end);
    at = end;
  }
  return values;
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
