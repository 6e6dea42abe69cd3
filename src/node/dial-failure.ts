import type { DialFailure, DialReason } from '../errors.ts';

/** How each reason reads. `failed` reads as the error itself does. */
const TEXTS: Record<Exclude<DialReason, 'failed'>, string> = {
  refused: 'nothing listens there',
  timeout: 'no answer',
  'no-route': 'no route to it',
  'unknown-host': 'no such host',
  'wrong-peer': 'another peer listens there',
  'this-node': 'this node itself listens there',
  'wrong-certificate': 'another certificate is there',
  'other-network': 'what listens there is not of this network',
};

/** Longest address or message that is kept for a report: both may come from somebody else. */
const MAX_TEXT = 160;

/** The heart of libp2p's dial errors, which bundle one error an address. */
export function dialFailure(address: string, error: unknown): DialFailure {
  const reason = reasonOf(error);
  return failureOf(address, reason, reason === 'failed' ? messageOf(error) : undefined);
}

/** A failure whose reason is known. @param message only for `failed` */
export function failureOf(address: string, reason: DialReason, message = 'unknown reason'): DialFailure {
  const text = reason === 'failed' ? message : TEXTS[reason];
  return { address: address.slice(0, MAX_TEXT), reason, message: text.slice(0, MAX_TEXT) };
}

function reasonOf(error: unknown): DialReason {
  const all = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  const reasons = all.map(reasonOfOne);
  return reasons.find((reason) => reason !== 'failed') ?? 'failed';
}

function reasonOfOne(thrown: unknown): DialReason {
  // Some dials in pages end in the event that told of it.
  const error = thrown instanceof Event ? (thrown as ErrorEvent).error : thrown;
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  if (message === 'wrong-certificate') return message;
  if (name === 'UnexpectedPeerError' || /unexpected ?peer|does not match (the )?expected/i.test(message)) {
    return 'wrong-peer';
  }
  if (message === 'Can not dial self') return 'this-node';
  if (message.includes('ECONNREFUSED')) return 'refused';
  if (/EHOSTUNREACH|ENETUNREACH/.test(message)) return 'no-route';
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return 'unknown-host';
  if (/abort|timed? ?out|ETIMEDOUT/i.test(`${name} ${message}`)) return 'timeout';
  return 'failed';
}

function messageOf(error: unknown): string {
  const inner = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  const texts = inner.map(textOf);
  return texts[0]?.split('\n', 1)[0] || 'unknown reason';
}

/** A browser says of a WebSocket that could not be opened no more than that: by an event without a word. */
function textOf(error: unknown): string {
  if (error instanceof Event) return 'no connection; browsers do not tell why';
  const message = error instanceof Error ? error.message : String(error);
  return message.includes('has no valid addresses') ? 'this node has no way to such an address' : message;
}
