import type { Shoal, ShoalEvents } from '../index.ts';
import type { JobEvent } from './job.ts';
import { keepRecent } from './keep-recent.ts';

/**
 * Tells what happens at a node that serves: bytes that peers acknowledged (summed up by asset and peer, of the last of them), peers that
 * misbehaved, originals that changed, other addresses. Ends when disposed of.
 */
export function watchNode(shoal: Shoal, emit: (event: JobEvent) => void): Disposable {
  const stop = new AbortController();
  const { signal } = stop;
  const sums = new Map<string, number>();
  const onUpload = ({ detail: { cid, peer, bytes } }: ShoalEvents['asset:upload']): void => {
    const key = `${cid} ${peer}`;
    const sum = (sums.get(key) ?? 0) + bytes;
    keepRecent(sums, key, sum);
    emit({ event: 'upload', cid, peer, bytes: sum });
  };
  const onError = ({ detail: { cid, code, message } }: ShoalEvents['asset:error']): void => {
    emit({ event: 'warning', code, message: message.includes(cid) ? message : `${cid}: ${message}` });
  };
  const onMisbehaved = ({ detail: { peer, code, message } }: ShoalEvents['peer:misbehaved']): void => {
    emit({ event: 'warning', code, message: message.includes(peer) ? message : `${peer}: ${message}` });
  };
  let told = shoal.addresses.join(' ');
  const onAddresses = ({ detail: { addresses } }: ShoalEvents['addresses:change']): void => {
    const now = addresses.join(' ');
    if (now === told) return;
    told = now;
    emit({ event: 'addresses', addresses });
  };
  shoal.addEventListener('addresses:change', onAddresses, { signal });
  shoal.addEventListener('asset:upload', onUpload, { signal });
  shoal.addEventListener('asset:error', onError, { signal });
  shoal.addEventListener('peer:misbehaved', onMisbehaved, { signal });
  return { [Symbol.dispose]: () => stop.abort() };
}
