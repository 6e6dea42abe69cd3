/** Transmission as a client for the test bed, driven through its RPC. Argument and lines: see torrent-system.ts. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clientConfig, onGo, retry, runClient, tell } from './client.ts';

/** How often the daemon is asked whether it is done; it can tell nobody itself. 0.2 % of the shortest run. */
const ASK_EVERY_MS = 50;
const config = clientConfig();
const seeding = config.role === 'origin';

const settings = {
  'rpc-port': config.controlPort,
  'rpc-bind-address': '127.0.0.1',
  'rpc-whitelist-enabled': false,
  'peer-port': config.port,
  // Public discovery is off for every system.
  'dht-enabled': false,
  'lpd-enabled': false,
  'port-forwarding-enabled': false,
  'utp-enabled': false,
  'download-dir': config.folder,
  'rename-partial-files': false,
  'start-added-torrents': false,
  'speed-limit-up-enabled': config.freeRider,
  'speed-limit-up': 1,
};
const configFolder = join(process.cwd(), 'transmission');
await mkdir(configFolder, { recursive: true });
await writeFile(join(configFolder, 'settings.json'), JSON.stringify(settings));
runClient('transmission-daemon', ['--foreground', '--config-dir', configFolder]);

let sessionId = '';
async function call<T>(method: string, fields: object = {}): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${config.controlPort}/transmission/rpc`, {
    method: 'POST',
    headers: { 'X-Transmission-Session-Id': sessionId },
    body: JSON.stringify({ method, arguments: fields }),
  });
  if (response.status === 409) {
    sessionId = response.headers.get('X-Transmission-Session-Id') ?? '';
    return call(method, fields);
  }
  const answer = (await response.json()) as { result: string; arguments: T };
  if (answer.result !== 'success') throw new Error(`transmission-daemon: ${answer.result}`);
  return answer.arguments;
}

/** Resolves when the daemon has the whole file and has checked it. */
async function complete(): Promise<void> {
  for (;;) {
    const { torrents } = await call<{ torrents: { percentDone: number; errorString: string }[] }>(
      'torrent-get',
      { fields: ['percentDone', 'errorString'] },
    );
    if (torrents[0]?.percentDone === 1) return;
    if (torrents[0]?.errorString) process.stderr.write(`${torrents[0].errorString}\n`);
    await delay(ASK_EVERY_MS);
  }
}

await retry(() => call('session-get'));
const metainfo = await readFile(config.torrent, 'base64');
await call('torrent-add', { metainfo, 'download-dir': config.folder, paused: !seeding });
if (seeding) await complete();
tell('ready');
onGo(async () => {
  await call('torrent-start-now');
  await complete();
  tell('done');
});
