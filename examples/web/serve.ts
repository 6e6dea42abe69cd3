/**
 * Serves the page of this folder on localhost, with the SDK's bundle for browsers beside it. In production any web server
 * does, over https.
 *
 *     npm run build && node examples/web/serve.ts [PORT]
 *
 * Then share something (`npx shoal share FILE`), and open the link it prints in the page.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = import.meta.dirname;
const bundle = fileURLToPath(import.meta.resolve('shoal/browser'));
const files: Record<string, { path: string; type: string }> = {
  '/': { path: join(here, 'index.html'), type: 'text/html; charset=utf-8' },
  '/page.js': { path: join(here, 'page.js'), type: 'text/javascript' },
  '/shoal.min.js': { path: bundle, type: 'text/javascript' },
};
/** What the bundle loads when it is used lies in a folder beside it. */
for (const name of readdirSync(join(dirname(bundle), 'chunks'))) {
  files[`/chunks/${name}`] = { path: join(dirname(bundle), 'chunks', name), type: 'text/javascript' };
}

const server = createServer((request, response) => {
  const file = files[new URL(request.url ?? '/', 'http://localhost').pathname];
  if (!file) {
    response.writeHead(404).end('not found');
    return;
  }
  readFile(file.path).then(
    (bytes) => response.writeHead(200, { 'content-type': file.type }).end(bytes),
    (error: unknown) => response.writeHead(500).end(String(error)),
  );
});
server.listen(Number(process.argv[2] ?? 8080), '127.0.0.1', () => {
  console.log(`http://localhost:${(server.address() as AddressInfo).port}/`);
});
