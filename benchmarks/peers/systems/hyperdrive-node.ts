/**
 * Hyperdrive in a Corestore, replicated over a Noise stream on TCP: Hyperswarm, which would find the peer by its DHT,
 * is left out, and with it UDX. Argument and lines: see pair/package-pair.ts.
 */
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { onGo, pairConfig, tell } from './client.ts';

/** The little of these packages that is used here; they have no types, and are not among the project's own. */
interface Corestore {
  replicate(stream: object): void;
}
interface Hyperdrive {
  readonly key: Buffer;
  ready(): Promise<void>;
  update(options: { wait: boolean }): Promise<boolean>;
  getBlobs(): Promise<unknown>;
  download(path: string): unknown;
  createWriteStream(path: string): NodeJS.WritableStream;
  createReadStream(path: string): NodeJS.ReadableStream;
}
const load = async <T>(name: string): Promise<T> => ((await import(name)) as { default: T }).default;

const Store = await load<new (path: string) => Corestore>('corestore');
const Drive = await load<new (store: Corestore, key?: Buffer) => Hyperdrive>('hyperdrive');
const NoiseStream =
  await load<new (isInitiator: boolean, socket: Socket) => object>('@hyperswarm/secret-stream');

const NAME = '/content';
const { role, path, folder } = pairConfig();
const store = new Store(folder);

if (role === 'origin') {
  const drive = new Drive(store);
  await drive.ready();
  await pipeline(createReadStream(path), drive.createWriteStream(NAME));
  const server = createServer((socket) => store.replicate(new NoiseStream(false, socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  tell(`ready ${drive.key.toString('hex')} ${(server.address() as AddressInfo).port}`);
} else {
  tell('ready');
  onGo(async (contact) => {
    const [key = '', port] = contact.split(' ');
    const drive = new Drive(store, Buffer.from(key, 'hex'));
    await drive.ready();
    store.replicate(new NoiseStream(true, connect(Number(port), '127.0.0.1')));
    await drive.update({ wait: true });
    await pipeline(drive.createReadStream(NAME), createWriteStream(path));
    tell('done');
  });
}
