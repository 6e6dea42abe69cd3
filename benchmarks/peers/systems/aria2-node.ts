/** aria2 as a client for the test bed, driven through its JSON-RPC. Argument and lines: see torrent-system.ts. */
import { readFile } from 'node:fs/promises';
import { clientConfig, onGo, retry, runClient, tell } from './client.ts';

const config = clientConfig();
const seeding = config.role === 'origin';

runClient('aria2c', [
  '--no-conf',
  '--enable-rpc',
  `--rpc-listen-port=${config.controlPort}`,
  `--dir=${config.folder}`,
  `--listen-port=${config.port}`,
  // Public discovery is off for every system.
  '--enable-dht=false',
  '--enable-dht6=false',
  '--bt-enable-lpd=false',
  '--disable-ipv6',
  // Keeps on seeding, whatever the ratio.
  '--seed-ratio=0.0',
  '--allow-overwrite=true',
  seeding ? '--bt-seed-unverified=true' : '--check-integrity=true',
  ...(config.freeRider ? ['--max-overall-upload-limit=1K'] : []),
  ...Object.entries(config.settings).map(([name, value]) => `--${name}=${value}`),
]);

const rpc = await retry(async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${config.controlPort}/jsonrpc`);
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  socket.addEventListener('open', () => resolve(socket));
  socket.addEventListener('error', () => reject(new Error('aria2c does not answer')));
  return promise;
});

rpc.addEventListener('message', ({ data }) => {
  const { method, error } = JSON.parse(String(data)) as { method?: string; error?: { message: string } };
  if (method === 'aria2.onBtDownloadComplete' && !seeding) tell('done');
  if (error || method === 'aria2.onDownloadError') tell(`failed ${error?.message ?? 'aria2c gave up'}`);
});

async function begin(): Promise<void> {
  const torrent = await readFile(config.torrent, 'base64');
  rpc.send(JSON.stringify({ jsonrpc: '2.0', id: '1', method: 'aria2.addTorrent', params: [torrent] }));
}

if (seeding) await begin();
tell('ready');
onGo(begin);
