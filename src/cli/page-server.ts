import { readFile, readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ShoalError } from '../index.ts';

/** Only this machine: browsers trust it over plain http, and nobody else has any business here. */
const HOST = '127.0.0.1';

/** What the page is told of the node that it may use. */
export interface NodeOfPage {
  network: string;
  peer: string;
  /** Multiaddrs of the node. */
  addresses: readonly string[];
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
};

/** The page loads nothing from elsewhere, and no other site may put it into a frame. `blob:` is what it has fetched. */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

/** Serves the built page and the SDK for browsers to this machine's browsers, and tells the page of the node. */
export class PageServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, string>;
  #node = Promise.withResolvers<NodeOfPage>();
  #known: NodeOfPage | undefined;

  private constructor(server: Server, files: ReadonlyMap<string, string>) {
    this.#server = server;
    this.#files = files;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  /**
   * @param port 0: any free one
   * @throws ERR_ADDRESS_IN_USE, ERR_LISTEN, ERR_NOT_FOUND where the page was not built
   */
  static async listen(port: number): Promise<PageServer> {
    const page = new PageServer(createServer(), await builtFiles());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    page.#server.once('error', reject).listen(port, HOST, resolve);
    try {
      await promise;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE') {
        throw new ShoalError(
          'ERR_ADDRESS_IN_USE',
          `port ${port} of ${HOST} is in use, perhaps by another "shoal web"; name another with --port (0: any free one)`,
          { cause },
        );
      }
      throw new ShoalError('ERR_LISTEN', `cannot serve the page at ${HOST}, port ${port}: ${message}`, {
        cause,
      });
    }
    return page;
  }

  /** Where a browser finds the page. */
  get url(): string {
    return `http://${HOST}:${this.#port}/`;
  }

  /** The node that the page may use, from now on. */
  use(node: NodeOfPage): void {
    this.#known = node;
    this.#node.resolve(node);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refuse = (status: number, text: string): void => {
      response.writeHead(status, { 'Content-Type': TYPES['.txt'] }).end(`${text}\n`);
    };
    // A site whose name was made to lead here (DNS rebinding) asks under that name.
    if (!isOwnHost(request.headers.host, this.#port)) return refuse(403, `this is ${this.url}`);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'GET and HEAD only');
    const path = (request.url ?? '/').split('?')[0] ?? '';
    if (path === '/node.json') {
      const node = this.#known ?? (await this.#node.promise);
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(request.method === 'HEAD' ? undefined : JSON.stringify(node));
      return;
    }
    const file = this.#files.get(path === '/' ? '/index.html' : path);
    if (file === undefined) return refuse(404, `there is no ${path} here`);
    try {
      const bytes = await readFile(file);
      response.writeHead(200, { 'Content-Type': TYPES[extname(file)], 'Content-Length': bytes.byteLength });
      response.end(request.method === 'HEAD' ? undefined : bytes);
    } catch (error) {
      refuse(500, String(error));
    }
  }
}

/** The files of the page and the SDK beside each other, by their paths in the address. */
async function builtFiles(): Promise<Map<string, string>> {
  const sdk = fileURLToPath(new URL('.', import.meta.resolve('shoal/browser')));
  const files = new Map<string, string>();
  for (const folder of [sdk, join(sdk, '..', 'page')]) {
    let entries;
    try {
      entries = await readdir(folder, { recursive: true, withFileTypes: true });
    } catch (cause) {
      throw new ShoalError('ERR_NOT_FOUND', `the page is not there: ${folder}; run npm run build`, { cause });
    }
    for (const entry of entries) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && TYPES[extname(path)] !== undefined)
        files.set(`/${relative(folder, path).split(sep).join('/')}`, path);
    }
  }
  return files;
}

/** Whether a browser that was sent to this server names it so: without the port where that is 80. */
export function isOwnHost(host: string | undefined, port: number): boolean {
  return [HOST, 'localhost'].some((name) => host === `${name}:${port}` || (port === 80 && host === name));
}
