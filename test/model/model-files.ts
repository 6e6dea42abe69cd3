import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { bytesOf, fileOf, type MemoryFile } from '../swarm/shell/memory-asset.ts';

/** Bytes of each file and of its chunks: a single chunk, few, and some hundred. */
const SIZES = [
  [1000, 64 << 10],
  [100_000, 8 << 10],
  [256 << 10, 16 << 10],
  [1_000_000, 64 << 10],
  [2_000_000, 8 << 10],
  [3_000_000, 256 << 10],
  [4_200_000, 1 << 20],
] as const;

export const MAX_NODES = 5;

/** What all worlds are made of. */
export interface Cast {
  readonly peers: readonly PeerId[];
  readonly files: readonly MemoryFile[];
}

/** Makes it, in real time: before the clock is replaced. */
export async function makeCast(): Promise<Cast> {
  const peers: PeerId[] = [];
  for (let n = 1; n <= MAX_NODES; n++) {
    peers.push(peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(n))));
  }
  const files: MemoryFile[] = [];
  for (const [n, [size, chunkSize]] of SIZES.entries())
    files.push(await fileOf(bytesOf(size, n + 1), chunkSize));
  return { peers, files };
}
