import type { SearchAttempt } from '../index.ts';
import type { Job, JobEvent } from './job.ts';

/**
 * What goes over the control socket of a data folder. The owner says {@link Hello}, the command answers with one
 * {@link RunRequest} (and its standard input, where the job reads that), the owner sends replies until `end` or
 * `error`. One connection is one job: closing it ends the job.
 */
export const CONTROL_PROTOCOL = 1;

/** What a node is for, and so what its owner can do for others: each does what those before it do. */
export const NODE_KINDS = ['local', 'looking', 'serving'] as const;

/** `serving`: listens, and takes any job; `looking`: only dials out; `local`: no network at all. */
export type NodeKind = (typeof NODE_KINDS)[number];

/** The owner's first message: who it is, so that a command can tell whether it is the right one. */
export interface Hello {
  type: 'hello';
  /** {@link CONTROL_PROTOCOL} of the owner. */
  protocol: number;
  /** Version of the owner's Shoal. */
  version: string;
  pid: number;
  /** Name of the network its node is in. */
  network: string;
  peer: string;
  addresses: string[];
  /** Left out by older versions, of which only those that serve take commands. */
  node?: NodeKind;
  /** By now it serves until it is stopped (`share`, `seed`), and not only until its own work is done. */
  permanent: boolean;
}

export interface RunRequest {
  type: 'run';
  protocol: number;
  job: Job;
  /** Multiaddrs to connect to first. */
  peers: string[];
}

/** What a command sends after its request; its input itself goes as bytes frames. */
export interface InputEnd {
  type: 'input-end';
}

export type Reply =
  | { type: 'event'; event: JobEvent }
  /** The job's work is done; it serves on for so long, or (`handed`) the owner does without being waited for. */
  | { type: 'lingering'; durationMs: number | 'forever' | 'handed' }
  | { type: 'end' }
  | { type: 'error'; code: string; message: string; tried?: readonly SearchAttempt[] };

/** Reads an owner's first message; undefined where it is none. */
export function parseHello(value: unknown): Hello | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const hello = value as Partial<Hello>;
  const isHello =
    hello.type === 'hello' &&
    typeof hello.protocol === 'number' &&
    typeof hello.version === 'string' &&
    typeof hello.pid === 'number' &&
    typeof hello.network === 'string' &&
    typeof hello.peer === 'string' &&
    (hello.node === undefined || NODE_KINDS.includes(hello.node)) &&
    typeof hello.permanent === 'boolean' &&
    Array.isArray(hello.addresses) &&
    hello.addresses.every((address) => typeof address === 'string');
  return isHello ? (hello as Hello) : undefined;
}

/** Reads a reply of the owner; undefined where it is none that this version knows, to be skipped. */
export function parseReply(value: unknown): Reply | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, event, durationMs, code, message, tried } = value as Record<string, unknown>;
  switch (type) {
    case 'end':
      return { type };
    case 'event':
      return isEvent(event) ? { type, event } : undefined;
    case 'lingering':
      return typeof durationMs === 'number' || durationMs === 'forever' || durationMs === 'handed'
        ? { type, durationMs }
        : undefined;
    case 'error':
      return typeof code === 'string' && typeof message === 'string'
        ? { type, code, message, tried: isTried(tried) ? tried : undefined }
        : undefined;
    default:
      return undefined;
  }
}

function isTried(value: unknown): value is readonly SearchAttempt[] {
  const isAttempt = (each: unknown): boolean =>
    typeof each === 'object' && each !== null && 'text' in each && typeof each.text === 'string';
  return Array.isArray(value) && value.every(isAttempt);
}

/** The owner is another process of the same user and of the same protocol version: its events are taken as they are. */
function isEvent(value: unknown): value is JobEvent {
  return typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string';
}
