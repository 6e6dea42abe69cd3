/**
 * Helia: UnixFS over Bitswap, blocks in files. libp2p as Helia configures it, but for public discovery, gateways and
 * the DHT, which are left out: TCP, Noise, yamux. Argument and lines: see pair/package-pair.ts.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { onGo, pairConfig, tell } from './client.ts';

/** The little of these packages that is used here; they are not among the project's own. */
interface Helia {
  start(): Promise<unknown>;
  libp2p: { getMultiaddrs(): unknown[]; dial(address: unknown): Promise<unknown> };
}
type Defaults = { services: { identify: unknown; ping: unknown } };
const load = async <T>(name: string): Promise<T> => (await import(name)) as T;

const { createHeliaLight } = await load<{ createHeliaLight(options: object): Helia }>('helia');
const { withLibp2pLight, libp2pDefaults } = await load<{
  withLibp2pLight(helia: Helia, options: object): Helia;
  libp2pDefaults(): Defaults;
}>('@helia/libp2p');
const { withBitswap } = await load<{ withBitswap(helia: Helia): Helia }>('@helia/bitswap');
const { unixfs } = await load<{
  unixfs(helia: Helia): {
    addByteStream(source: AsyncIterable<Uint8Array>): Promise<unknown>;
    cat(cid: unknown): AsyncIterable<Uint8Array>;
  };
}>('@helia/unixfs');
const { FsBlockstore } = await load<{ FsBlockstore: new (path: string) => object }>('blockstore-fs');
const { LevelDatastore } = await load<{
  LevelDatastore: new (path: string) => { open(): Promise<void> };
}>('datastore-level');
const { multiaddr } = await load<{ multiaddr(text: string): unknown }>('@multiformats/multiaddr');
const { CID } = await load<{ CID: { parse(text: string): unknown } }>('multiformats/cid');

const { role, path, folder } = pairConfig();
const datastore = new LevelDatastore(join(folder, 'data'));
await datastore.open();
const defaults = libp2pDefaults();
const helia = withBitswap(
  withLibp2pLight(createHeliaLight({ datastore, blockstore: new FsBlockstore(join(folder, 'blocks')) }), {
    ...defaults,
    addresses: { listen: role === 'origin' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    peerDiscovery: [],
    services: { identify: defaults.services.identify, ping: defaults.services.ping },
  }),
);
await helia.start();
const files = unixfs(helia);

if (role === 'origin') {
  const cid = await files.addByteStream(createReadStream(path));
  tell(`ready ${String(cid)} ${String(helia.libp2p.getMultiaddrs()[0])}`);
} else {
  tell('ready');
  onGo(async (contact) => {
    const [cid = '', address = ''] = contact.split(' ');
    await helia.libp2p.dial(multiaddr(address));
    await pipeline(Readable.from(files.cat(CID.parse(cid))), createWriteStream(path));
    tell('done');
  });
}
