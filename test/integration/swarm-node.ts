import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Libp2p, PrivateKey, StreamMuxerFactory } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { nativeTls } from '../../src/node/native-tls.ts';
import { createLibp2p } from 'libp2p';
import type { ShoalError } from '../../src/errors.ts';
import { SwarmShell, type AssetSession, type SwarmShellOptions } from '../../src/swarm/swarm-shell.ts';
import { seededRng } from '../../src/swarm/core/rng.ts';
import { MemoryAsset, type MemoryFile } from '../swarm/shell/memory-asset.ts';

type Libp2pFactory = NonNullable<NonNullable<Parameters<typeof createLibp2p>[0]>['transports']>[number];

/** How a node is reached. Default: TCP, with the stock yamux. */
export interface SwarmNodeWay {
  listen?: string[];
  transport?: Libp2pFactory;
  muxer?: () => StreamMuxerFactory;
}

/** A real libp2p node on 127.0.0.1, without a shell. */
export async function libp2pNode(
  privateKey?: PrivateKey,
  isBanned = (_peer: string): boolean => false,
  way: SwarmNodeWay = {},
): Promise<Libp2p> {
  return createLibp2p({
    privateKey: privateKey ?? (await generateKeyPair('Ed25519')),
    addresses: { listen: way.listen ?? ['/ip4/127.0.0.1/tcp/0'] },
    transports: [way.transport ?? tcp()],
    connectionEncrypters: [nativeTls(), noise()],
    streamMuxers: [way.muxer ?? yamux()],
    connectionManager: { inboundConnectionThreshold: Infinity },
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: (peer) => isBanned(peer.toString()),
      denyInboundEncryptedConnection: (peer) => isBanned(peer.toString()),
      denyDialMultiaddr: () => false,
    },
    services: { identify: identify() },
  }) as unknown as Promise<Libp2p>;
}

/** A swarm node for a test: libp2p, a shell, and a store that is a map. */
export class SwarmNode implements AsyncDisposable {
  readonly libp2p: Libp2p;
  readonly shell: SwarmShell;
  /** What `resolveAsset` and `getNode` find, by root. */
  readonly files: Map<string, MemoryFile>;
  readonly misbehaved: { peer: string; code: string }[] = [];

  private constructor(libp2p: Libp2p, shell: SwarmShell, files: Map<string, MemoryFile>) {
    this.libp2p = libp2p;
    this.shell = shell;
    this.files = files;
  }

  static async start(
    options: { key?: PrivateKey; seed?: number } & SwarmNodeWay & Partial<SwarmShellOptions> = {},
  ): Promise<SwarmNode> {
    const { key, seed = 1, listen, transport, ...overrides } = options;
    const libp2p = await libp2pNode(key, (peer) => shell.isBanned(peer), { listen, transport });
    const files = new Map<string, MemoryFile>();
    const shell: SwarmShell = new SwarmShell({
      libp2p,
      network: 'test',
      rng: seededRng(seed),
      resolveAsset: async (root) => {
        const file = files.get(root.toString());
        return file && MemoryAsset.full(file);
      },
      getNode: async (root, cid) => files.get(root.toString())?.nodes.get(cid.toString()),
      onMisbehaved: (peer, code) => void node.misbehaved.push({ peer, code }),
      ...overrides,
    });
    const node = new SwarmNode(libp2p, shell, files);
    await shell.start();
    return node;
  }

  get id(): string {
    return this.libp2p.peerId.toString();
  }

  /** Connects to another node and waits until both see the link. */
  async connect(to: SwarmNode): Promise<void> {
    await this.libp2p.dial(to.libp2p.getMultiaddrs());
    await until(() => this.shell.peers.includes(to.id) && to.shell.peers.includes(this.id));
  }

  /** Serves a file that nobody asked for yet. */
  keep(file: MemoryFile): void {
    this.files.set(file.root.toString(), file);
  }

  share(file: MemoryFile): MemoryAsset {
    const asset = MemoryAsset.full(file);
    this.shell.join(asset, { origin: true, wanted: 'none' });
    return asset;
  }

  /** Starts to download the whole file. */
  download(file: MemoryFile): Download {
    const asset = MemoryAsset.empty(file);
    const { promise, resolve } = Promise.withResolvers<void>();
    const errors: ShoalError[] = [];
    const session = this.shell.join(asset, {
      origin: false,
      wanted: 'all',
      onComplete: resolve,
      onError: (error) => void errors.push(error),
    });
    return { asset, session, done: promise, errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shell.stop();
    await this.libp2p.stop();
  }
}

export interface Download {
  asset: MemoryAsset;
  session: AssetSession;
  done: Promise<void>;
  errors: ShoalError[];
}

/** Resolves once `condition` holds; looked at after every turn of the event loop. The test's time-out ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
