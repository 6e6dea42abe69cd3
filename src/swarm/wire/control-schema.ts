import type { DeclineReason, Have, RejectReason } from '../core/messages.ts';
import type { ControlMessage } from './control-message.ts';

/** The field of `Control` that carries each kind of message. Numbers are for ever; docs/protocol.md lists them. */
export const KINDS: Readonly<Record<ControlMessage['type'], number>> = {
  hello: 1,
  join: 2,
  leave: 3,
  nodes: 4,
  node: 5,
  grant: 6,
  decline: 7,
  have: 8,
  request: 9,
  cancel: 10,
  reject: 11,
  ack: 12,
  peers: 13,
  ping: 14,
  pong: 15,
  bye: 16,
};

/** Values of `Join.have`, by index. */
export const HAVE_KINDS: readonly Have['kind'][] = ['none', 'all', 'some'];

/** Values of `Decline.reason`, by index. */
export const DECLINE_REASONS: readonly DeclineReason[] = ['nothing-wanted', 'busy', 'expired'];

/** Values of `Reject.reason`, by index. */
export const REJECT_REASONS: readonly RejectReason[] = ['no-credit', 'missing', 'failed', 'cancelled'];
