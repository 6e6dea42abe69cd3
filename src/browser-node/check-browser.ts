import { ShoalError } from '../errors.ts';

/**
 * What Shoal needs of a browser to run at all.
 *
 * @throws ERR_INSECURE_CONTEXT, ERR_UNSUPPORTED_PLATFORM, each with what would help
 */
export function checkBrowser(scope: typeof globalThis = globalThis): void {
  const { isSecureContext, crypto } = scope as Partial<typeof globalThis>;
  if (isSecureContext === false || typeof crypto?.subtle?.digest !== 'function') {
    throw new ShoalError(
      'ERR_INSECURE_CONTEXT',
      'this page came over plain http, where browsers give no cryptography, so that nothing could be verified; open it over https, or from localhost',
    );
  }
  const missing = [
    typeof scope.Promise.withResolvers !== 'function' && 'Promise.withResolvers',
    typeof (scope as Partial<typeof globalThis>).AbortSignal?.any !== 'function' && 'AbortSignal.any',
    typeof (scope as Partial<typeof globalThis>).Blob !== 'function' && 'Blob',
  ].filter((name) => typeof name === 'string');
  if (missing.length === 0) return;
  throw new ShoalError(
    'ERR_UNSUPPORTED_PLATFORM',
    `this browser is too old for Shoal: it has no ${missing.join(' and no ')}; use one of 2024 or later`,
  );
}
