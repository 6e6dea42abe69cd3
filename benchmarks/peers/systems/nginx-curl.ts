import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Content, Session, System } from '../../testbed/system.ts';
import { startProgram } from './program.ts';
import { versionOf } from './version.ts';

/** Waits for the address. `-C -` goes on with what a killed download left. */
const CURL =
  'echo ready; read -r url; curl --silent --show-error -C - -o "$1" "$url" || exit; echo done; exec sleep infinity';

/** nginx goes to the background once it listens. */
const NGINX = 'nginx -p "$1" -c "$1/nginx.conf" && echo ready && exec sleep infinity';

/** The server that everyone has: one nginx, and a curl for each peer. No peer gives anything. */
export const nginxCurl: System = {
  name: 'curl',
  async version() {
    const server = await versionOf(['nginx', '-v'], 'apt-get install nginx-light');
    const client = await versionOf(['curl', '--version'], 'apt-get install curl');
    return `${server.replace('nginx version: ', '')}, ${client.split(' ').slice(0, 2).join(' ')}`;
  },
  prepare: async (content) => session(content),
};

function session(content: Content): Session {
  return {
    async startOrigin(host) {
      await writeFile(join(host.folder, 'nginx.conf'), configuration(content, { port: 80 }));
      const server = startProgram(host, ['sh', '-c', NGINX, 'sh', host.folder]);
      await server.ready;
      return server;
    },
    async startPeer(host, { path }) {
      const client = startProgram(host, ['sh', '-c', CURL, 'sh', path]);
      await client.ready;
      return {
        finished: client.finished,
        kill: client.kill,
        go: ([origin]) => client.say(`http://${origin?.address}/content`),
      };
    },
    async close() {},
  };
}

/**
 * What nginx is told, to serve the content as `/content`. It runs as root, as the test bed does, so that it may read the
 * content wherever it lies.
 * @param certificate paths of key and certificate; undefined: unencrypted
 */
export function configuration(
  content: Pick<Content, 'path'>,
  {
    port,
    certificate,
  }: { port: number; certificate?: { readonly key: string; readonly cert: string } | undefined },
): string {
  const tls = certificate
    ? `ssl_certificate "${certificate.cert}";
    ssl_certificate_key "${certificate.key}";
    ssl_protocols TLSv1.3;`
    : '';
  return `user root;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  sendfile on;
  server {
    listen ${port}${certificate ? ' ssl' : ''};
    ${tls}
    location = /content { alias "${content.path}"; }
  }
}
`;
}
