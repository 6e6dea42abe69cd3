/** The three messages of a handshake are some hundred bytes each. */
const MOST_BYTES = 64 * 1024;

/**
 * Bounds what is read on the channel on which a connection of webrtc-direct begins (its handshake), and closes it where more
 * comes, or text. Everybody may write there, before anything is known of them, and `@libp2p/webrtc` 6.0.33 takes the text of
 * a number for so many bytes, each of them an empty message, which it reads in one turn: ten bytes stopped the process, or
 * the page, for hours.
 *
 * @param channel as it is made, before anybody listens to it
 */
export function boundHandshake<T extends RTCDataChannel>(channel: T): T {
  let left = MOST_BYTES;
  // By this property alone it is listened to, once.
  Object.defineProperty(channel, 'onmessage', {
    configurable: true,
    set: (handler: (event: MessageEvent) => void) => {
      channel.addEventListener('message', (event: MessageEvent<unknown>) => {
        if (left < 0) return;
        left -= event.data instanceof ArrayBuffer ? event.data.byteLength : Infinity;
        if (left < 0) channel.close();
        else handler.call(channel, event);
      });
    },
  });
  return channel;
}
