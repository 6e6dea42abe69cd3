import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve } from 'node:path';

const DIST = resolve(import.meta.dirname, '../../dist');

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
};

/** The built page on any web server: its files and the SDK's in one folder, and `node.json` as the site's owner wrote it. */
export class PageSite implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param options `without`: a file that the site forgot */
  static async start(options: { node?: object; without?: string } = {}): Promise<PageSite> {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const path = pathname === '/' ? '/index.html' : pathname;
      if (path === '/node.json' && options.node) {
        response.end(JSON.stringify(options.node));
        return;
      }
      const found = ['page', 'browser'].map((folder) => readFile(join(DIST, folder, path)));
      Promise.any(path === options.without ? [] : found).then(
        (bytes) => response.setHeader('content-type', TYPES[extname(path)] ?? 'text/plain').end(bytes),
        () => response.writeHead(404).end('not found'),
      );
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PageSite(server);
  }

  /** @param host other than 127.0.0.1 */
  url(host = '127.0.0.1'): string {
    return `http://${host}:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
