import { ShoalError } from '../../errors.ts';

/** A peer sent bytes that are no frame of this protocol. `what` completes "the peer sent …". */
export function badFrame(what: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_PEER_BAD_FRAME', `the peer sent ${what}; it was cut off`, {
    fault: 'peer',
    cause,
  });
}
