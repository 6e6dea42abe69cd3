/** WebTorrent as a client for the test bed. Argument and lines: see torrent-system.ts. */
import { readFile } from 'node:fs/promises';
import { clientConfig, onGo, tell } from './client.ts';

/** The little of WebTorrent's API that is used here; the package has no types, and is not among the project's own. */
interface Client {
  add(torrent: Uint8Array, options: object): Emitter;
}
interface Emitter {
  on(event: string, listener: (detail: unknown) => void): void;
}

const config = clientConfig();
const { default: WebTorrent } = (await import('webtorrent' as string)) as {
  default: new (options: object) => Client & Emitter;
};

const client = new WebTorrent({
  torrentPort: config.port,
  // Public discovery is off for every system; uTP is a native module that needs a compiler.
  dht: false,
  lsd: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  tracker: { wrtc: false },
});
client.on('error', (error) => tell(`failed ${String(error)}`));

const torrent = await readFile(config.torrent);
const options = {
  path: config.folder,
  skipVerify: config.role === 'origin',
  ...(config.freeRider ? { uploads: false } : {}),
  ...config.settings,
};

if (config.role === 'origin') {
  client.add(torrent, options).on('ready', () => tell('ready'));
} else {
  tell('ready');
  onGo(async () => client.add(torrent, options).on('done', () => tell('done')));
}
