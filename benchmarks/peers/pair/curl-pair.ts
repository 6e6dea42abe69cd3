import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { makeCertificate } from '../../certificate.ts';
import { retry } from '../systems/client.ts';
import { configuration, nginxCurl } from '../systems/nginx-curl.ts';
import type { Pair, PairSystem } from './pair.ts';

const PORT = 8080;

/** Waits for the word. What it is told to trust is a certificate made for this transfer. */
const CURL =
  'echo ready; read -r go; curl --silent --show-error --insecure -o "$1" "$2" || exit; echo done; exec sleep infinity';

/** curl from nginx: no peers, and nothing of the content is checked. */
export function curlPair({ name, tls }: { name: string; tls: boolean }): PairSystem {
  return {
    name,
    about: `nginx and curl, TCP, ${tls ? 'TLS 1.3' : 'unencrypted'}; the content is not checked`,
    version: () => nginxCurl.version(),
    start: (pair) => start(pair, tls),
  };
}

async function start(pair: Pair, tls: boolean): Promise<() => void> {
  const folder = pair.folderOf('sender');
  if (tls) {
    const { key, cert } = makeCertificate();
    await Promise.all([writeFile(join(folder, 'key'), key), writeFile(join(folder, 'cert'), cert)]);
  }
  const certificate = tls ? { key: join(folder, 'key'), cert: join(folder, 'cert') } : undefined;
  const config = join(folder, 'nginx.conf');
  await writeFile(config, configuration(pair.content, { port: PORT, certificate }));
  pair.run('sender', ['nginx', '-p', folder, '-c', config, '-g', 'daemon off;']);
  await retry(async () => {
    const socket = connect(PORT, '127.0.0.1');
    await once(socket, 'connect');
    socket.destroy();
  });
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${PORT}/content`;
  const receiver = pair.run('receiver', ['sh', '-c', CURL, 'sh', pair.target, url], { isDriven: true });
  await receiver.ready;
  return () => receiver.say('go');
}
