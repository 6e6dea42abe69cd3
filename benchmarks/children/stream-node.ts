/** A bare libp2p node with Shoal's transport and muxer and nothing else; TLS is libp2p's own, or Shoal's. */
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { createLibp2p } from 'libp2p';
import { nativeTls } from '../../src/node/native-tls.ts';

/** @param encrypter `stock` for `@libp2p/tls`, `native` for the one Shoal's nodes use */
export async function bareNode(listen: string[], encrypter: string | undefined): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [encrypter === 'native' ? nativeTls() : tls()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
}

/** A bare libp2p node that pages dial over webrtc-direct. Loads WebRTC, which costs memory. */
export async function bareNodeForPages(): Promise<Libp2p> {
  const [{ webRTCDirect }, { noise }] = await Promise.all([
    import('@libp2p/webrtc'),
    import('@libp2p/noise'),
  ]);
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/udp/0/webrtc-direct'] },
    transports: [webRTCDirect({ rtcConfiguration: { iceServers: [] } })],
    connectionEncrypters: [noise()],
    connectionMonitor: { enabled: false },
  });
}
