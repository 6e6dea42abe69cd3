import { ShoalError } from '../errors.ts';

/** RFC 7064, with a host and at most a port. */
const STUN = /^stuns?:([\w.-]+|\[[\da-fA-F:.]+\])(:\d{1,5})?$/;

/** @throws ERR_STUN_SERVER */
export function checkStunServers(urls: readonly string[] = []): void {
  const wrong = urls.find((url) => !STUN.test(url));
  if (wrong === undefined) return;
  throw new ShoalError(
    'ERR_STUN_SERVER',
    `"${wrong}" is not a STUN server; write it like stun:stun.example.org:3478`,
  );
}
