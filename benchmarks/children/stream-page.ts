/** In a page: receives bytes over one bare libp2p stream on webrtc-direct and throws them away. */
import { noise } from '@libp2p/noise';
import { webRTCDirect } from '@libp2p/webrtc';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { PROTOCOL } from './stream-protocol.ts';

/** @returns how long it took, in ms */
export async function receive(address: string, total: number): Promise<number> {
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [webRTCDirect({ rtcConfiguration: { iceServers: [] } })],
    connectionEncrypters: [noise()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
  });
  try {
    const connection = await node.dial(multiaddr(address));
    const started = performance.now();
    const stream = await connection.newStream(PROTOCOL);
    let received = 0;
    for await (const piece of stream) received += piece.byteLength;
    if (received < total) throw new Error(`received ${received} of ${total}`);
    return performance.now() - started;
  } finally {
    await node.stop();
  }
}
