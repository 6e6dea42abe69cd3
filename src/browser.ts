/**
 * Shoal in a web page: fetches from nodes over webrtc-direct and WebSocket, verified with the browser's own SHA-256.
 *
 * @example
 * ```ts
 * import { createShoal } from 'shoal';
 *
 * const shoal = await createShoal();
 * const asset = await shoal.open('shoal:bafy…?a=/ip4/192.0.2.7/udp/4001/webrtc-direct/certhash/uEi…/p2p/12D3Koo…');
 * const { blob } = await asset.save();
 * ```
 */
import './browser-node/dispose-symbols.ts';
import { ShoalError } from './errors.ts';
import type * as node from './index.ts';

export { createShoal } from './browser-node/create-page-shoal.ts';
export {
  ShoalError,
  type DialFailure,
  type DialReason,
  type Fault,
  type SearchAttempt,
  type ShoalErrorOptions,
} from './errors.ts';
export { serveMedia, type MediaOptions, type PageMedia } from './media/serve-media.ts';
export { version } from './version.ts';
export type * from './api.ts';
export type * from './browser-api.ts';

/** @throws ERR_UNSUPPORTED_PLATFORM always: pages have no paths to inspect */
export const inspect: typeof node.inspect = () =>
  Promise.reject(
    new ShoalError(
      'ERR_UNSUPPORTED_PLATFORM',
      'inspect reads paths, which a page has none of; use it in Node',
    ),
  );
