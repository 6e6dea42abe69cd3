/** A bare libp2p node with Shoal's transport and muxer and nothing else; TLS is libp2p's own, or Shoal's. */
import { yamux } from '@chainsafe/libp2p-yamux';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { createLibp2p } from 'libp2p';
import { nativeTls } from '../../src/node/native-tls.ts';

export const PROTOCOL = '/bench/stream/1';

/** @param encrypter `stock` for `@libp2p/tls`, `native` for the one Shoal's nodes use */
export function bareNode(listen: string[], encrypter: string | undefined): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen },
    transports: [tcp()],
    connectionEncrypters: [encrypter === 'native' ? nativeTls() : tls()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
}
