import type { Page } from 'playwright-core';

declare global {
  /** The end of a page that sends, and the one that receives; each page has one of each at most. */
  var bareOut: { connection: RTCPeerConnection; start: () => void };
  var bareIn: { connection: RTCPeerConnection; received: number };
}

/** What `@libp2p/webrtc` sends in a message. */
const MESSAGE_BYTES = 16 * 1024;

/** Most that a channel holds. */
const BUFFERED_BYTES = 1024 ** 2;

/** Until congestion control has found its way. */
const WARM_MS = 2000;

/**
 * MB/s, all together, of bare data channels from page to page that send at once: nothing is looked at or kept. What
 * pages can do on a machine depends on how many do it, since all of them share the browser's network process.
 */
export async function bareSpeed(
  links: readonly (readonly [from: Page, to: Page])[],
  ms: number,
): Promise<number> {
  const senders = links.map(([from]) => from);
  const receivers = links.map(([, to]) => to);
  for (const [from, to] of links) await connect(from, to);
  await Promise.all(senders.map((page) => page.evaluate(() => globalThis.bareOut.start())));
  await new Promise((resolve) => setTimeout(resolve, WARM_MS));
  const before = await received(receivers);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = await received(receivers);
  await Promise.all(senders.map((page) => page.evaluate(() => globalThis.bareOut.connection.close())));
  await Promise.all(receivers.map((page) => page.evaluate(() => globalThis.bareIn.connection.close())));
  return (after.bytes - before.bytes) / 1000 / (after.atMs - before.atMs);
}

/** Of all of them; those that are asked last have had no more time than those that are asked first. */
async function received(pages: readonly Page[]): Promise<{ bytes: number; atMs: number }> {
  const counts = await Promise.all(pages.map((page) => page.evaluate(() => globalThis.bareIn.received)));
  return { bytes: counts.reduce((sum, count) => sum + count, 0), atMs: performance.now() };
}

async function connect(from: Page, to: Page): Promise<void> {
  const offer = await from.evaluate(
    async ([messageBytes, bufferedBytes]) => {
      const connection = new RTCPeerConnection();
      const channel = connection.createDataChannel('bare');
      channel.bufferedAmountLowThreshold = bufferedBytes / 2;
      const message = new Uint8Array(messageBytes).fill(7);
      const send = (): void => {
        while (channel.readyState === 'open' && channel.bufferedAmount < bufferedBytes) channel.send(message);
      };
      const start = (): void => {
        channel.addEventListener('open', send);
        channel.addEventListener('bufferedamountlow', send);
        send();
      };
      globalThis.bareOut = { connection, start };
      await connection.setLocalDescription();
      while (connection.iceGatheringState !== 'complete')
        await new Promise((resolve) =>
          connection.addEventListener('icegatheringstatechange', resolve, { once: true }),
        );
      return connection.localDescription?.toJSON() as RTCSessionDescriptionInit;
    },
    [MESSAGE_BYTES, BUFFERED_BYTES] as const,
  );
  const answer = await to.evaluate(async (offer) => {
    const connection = new RTCPeerConnection();
    const end = (globalThis.bareIn = { connection, received: 0 });
    connection.addEventListener('datachannel', ({ channel }) => {
      channel.binaryType = 'arraybuffer';
      channel.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
        end.received += data.byteLength;
      });
    });
    await connection.setRemoteDescription(offer);
    await connection.setLocalDescription();
    while (connection.iceGatheringState !== 'complete')
      await new Promise((resolve) =>
        connection.addEventListener('icegatheringstatechange', resolve, { once: true }),
      );
    return connection.localDescription?.toJSON() as RTCSessionDescriptionInit;
  }, offer);
  await from.evaluate((answer) => globalThis.bareOut.connection.setRemoteDescription(answer), answer);
}
