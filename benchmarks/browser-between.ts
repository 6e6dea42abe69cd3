import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import { timedSave } from './timed-save.ts';

declare const shoal: typeof shoalOfPage;
declare global {
  var sharing: shoalOfPage.PageShoal;
  var bareEnd: RTCPeerConnection;
  var bareDone: Promise<number>;
}

/** What `@libp2p/webrtc` sends in a message. */
const MESSAGE_BYTES = 16 * 1024;

/** Most that a bare channel holds. */
const BUFFERED_BYTES = 1024 ** 2;

/** MB/s of one bare data channel from page to page: nothing is looked at or kept. */
export async function bareBetween(from: Page, to: Page, total: number): Promise<number> {
  const offer = await from.evaluate(
    async ([total, messageBytes, bufferedBytes]) => {
      const end = (globalThis.bareEnd = new RTCPeerConnection());
      const channel = end.createDataChannel('bare');
      channel.bufferedAmountLowThreshold = bufferedBytes / 2;
      const message = new Uint8Array(messageBytes).fill(7);
      let sent = 0;
      const send = (): void => {
        for (; sent < total && channel.bufferedAmount < bufferedBytes; sent += messageBytes)
          channel.send(message);
      };
      channel.addEventListener('open', send);
      channel.addEventListener('bufferedamountlow', send);
      await end.setLocalDescription();
      while (end.iceGatheringState !== 'complete')
        await new Promise((resolve) =>
          end.addEventListener('icegatheringstatechange', resolve, { once: true }),
        );
      return end.localDescription?.toJSON() as RTCSessionDescriptionInit;
    },
    [total, MESSAGE_BYTES, BUFFERED_BYTES] as const,
  );
  const answer = await to.evaluate(
    async ([offer, total]) => {
      const end = (globalThis.bareEnd = new RTCPeerConnection());
      globalThis.bareDone = new Promise((resolve) => {
        end.addEventListener('datachannel', ({ channel }) => {
          const started = performance.now();
          let received = 0;
          channel.binaryType = 'arraybuffer';
          channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
            received += data.byteLength;
            if (received >= total) resolve(performance.now() - started);
          });
        });
      });
      await end.setRemoteDescription(offer);
      await end.setLocalDescription();
      while (end.iceGatheringState !== 'complete')
        await new Promise((resolve) =>
          end.addEventListener('icegatheringstatechange', resolve, { once: true }),
        );
      return end.localDescription?.toJSON() as RTCSessionDescriptionInit;
    },
    [offer, total] as const,
  );
  await from.evaluate((answer) => globalThis.bareEnd.setRemoteDescription(answer), answer);
  const ms = await to.evaluate(() => globalThis.bareDone);
  await Promise.all([from, to].map((page) => page.evaluate(() => globalThis.bareEnd.close())));
  return total / 1000 / ms;
}

/**
 * MB/s at which a page fetches a file that another page shares where it lies, verified and in its files.
 *
 * @param relay address of the node by which they meet
 */
export async function fetchBetween(
  from: Page,
  to: Page,
  file: string,
  bytes: number,
  relay: string,
): Promise<number> {
  await from.setContent('<input type="file">');
  await from.setInputFiles('input', file);
  const link = await from.evaluate(async (relay) => {
    const node = (globalThis.sharing = await shoal.createShoal({ peers: [relay], storage: 'memory' }));
    while (node.addresses.length === 0)
      await new Promise((resolve) => node.addEventListener('addresses:change', resolve, { once: true }));
    const [file] = document.querySelector('input')?.files ?? [];
    if (!file) throw new Error('the page got no file');
    return (await node.share(file)).link;
  }, relay);
  const ms = await timedSave(to, link);
  await from.evaluate(() => globalThis.sharing.close());
  return bytes / 1000 / ms;
}
