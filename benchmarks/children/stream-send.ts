/** Sends bytes over one bare libp2p stream to whoever opens it. argv: bytes, encrypter (`page`: over webrtc-direct). */
import { answerStop, isReady, tell } from './child.ts';
import { bareNode, bareNodeForPages } from './stream-node.ts';
import { PROTOCOL } from './stream-protocol.ts';

const bytes = Number(process.argv[2]);
const encrypter = process.argv[3];
const node =
  encrypter === 'page' ? await bareNodeForPages() : await bareNode(['/ip4/127.0.0.1/tcp/0'], encrypter);
const piece = new Uint8Array(64 * 1024).fill(7);

await node.handle(PROTOCOL, async (stream) => {
  for (let sent = 0; sent < bytes; sent += piece.byteLength) {
    if (!stream.send(piece)) {
      while (stream.writableNeedsDrain)
        await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }));
    }
  }
  await stream.close();
});
isReady();
tell({ address: String(node.getMultiaddrs()[0]) });
await answerStop(async () => node.stop());
