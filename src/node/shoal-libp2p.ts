import type { Identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import type { Ping } from '@libp2p/ping';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { ShoalError } from '../errors.ts';

/** What Shoal's libp2p node carries besides transports. A type, not an interface: libp2p wants an index signature. */
export type ShoalServices = {
  identify: Identify;
  /** Not in browsers, where nobody asks. */
  ping?: Ping;
  dht?: KadDHT;
};

export type ShoalLibp2p = Libp2p<ShoalServices>;

/** The DHT speaks a protocol of its own for each network, so that networks never mix. */
export function dhtProtocol(network: string): string {
  return `/shoal/${network}/kad/1.0.0`;
}

/** Parses a multiaddr from a person or a link. @throws ERR_INVALID_MULTIADDR */
export function parseMultiaddr(text: string): Multiaddr {
  const address = addressOf(text);
  for (const { name, value = '' } of address.getComponents()) if (name === 'p2p') checkPeerId(value, text);
  return address;
}

function addressOf(text: string): Multiaddr {
  try {
    // Its own parser takes these for the address of nothing.
    if (typeof text !== 'string' || !/[^/]/.test(text)) throw new Error('it is empty');
    return multiaddr(text);
  } catch (cause) {
    throw new ShoalError(
      'ERR_INVALID_MULTIADDR',
      `"${text}" is not a multiaddr; write it like /ip4/192.0.2.1/tcp/4001 or /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo…`,
      { cause },
    );
  }
}

/** The parser of multiaddrs looks at the letters of an id alone; one that was not copied whole would be dialled for ever. */
function checkPeerId(peer: string, address: string): void {
  try {
    peerIdFromString(peer);
  } catch (cause) {
    throw new ShoalError(
      'ERR_INVALID_MULTIADDR',
      `"${peer}" in ${address} is not a peer id; copy the address whole`,
      { cause },
    );
  }
}
