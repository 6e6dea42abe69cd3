/**
 * Listens where pages dial, over webrtc-direct, and sends itself what begins as STUN does and is rubbish. Prints `done`, and nothing else.
 */
import { createSocket } from 'node:dgram';
import { noise } from '@libp2p/noise';
import { createLibp2p } from 'libp2p';
import { pageCertificate } from '../../src/node/page-certificate.ts';
import { webRtcDirectTransport } from '../../src/node/webrtc-direct-transport.ts';
import type { Store } from '../../src/store/store.ts';

const store = { getSetting: async () => undefined, putSetting: async () => {} } as unknown as Store;
const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/udp/0/webrtc-direct'] },
  transports: [webRtcDirectTransport(await pageCertificate(store, () => {})) as never],
  connectionEncrypters: [noise()],
});
const port = Number(/\/udp\/(\d+)\//.exec(String(node.getMultiaddrs()[0]))?.[1]);
const socket = createSocket('udp4');
const rubbish = Buffer.concat([Buffer.from('000100302112a442', 'hex'), Buffer.alloc(60, 1)]);
for (let i = 0; i < 100; i++) {
  await new Promise((resolve) => socket.send(rubbish, port, '127.0.0.1', resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
socket.close();
await node.stop();
process.stdout.write('done\n');
