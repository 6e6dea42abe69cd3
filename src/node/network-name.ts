import { ShoalError } from '../errors.ts';

const NETWORK_NAME = /^[a-z0-9._-]{1,64}$/;

/** @throws ERR_NETWORK_NAME */
export function checkNetworkName(network: string): void {
  if (NETWORK_NAME.test(network)) return;
  throw new ShoalError(
    'ERR_NETWORK_NAME',
    `"${network}" cannot name a network: use 1 to 64 of a-z, 0-9, ".", "_" and "-"`,
  );
}
