import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve, sep } from 'node:path';
import type { Plugin } from 'esbuild';
import { bundleBrowser, bundleMediaWorker } from '../../scripts/bundle-browser.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A web server on loopback with the bundle of `src/browser.ts`, whatever browser comes. */
export class BundleSite implements AsyncDisposable {
  readonly #server: Server;
  /** Where the bundle lies; goes with the site. */
  readonly folder: string;

  private constructor(server: Server, folder: string) {
    this.#server = server;
    this.folder = folder;
  }

  /** @param plugins change what is bundled, for comparisons */
  static async start(plugins: Plugin[] = []): Promise<BundleSite> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-browser-'));
    const entryPoints = { shoal: 'src/browser.ts' };
    await bundleBrowser({ absWorkingDir: ROOT, entryPoints, outdir: folder, plugins });
    await bundleMediaWorker({ absWorkingDir: ROOT, outdir: folder });
    const bundled = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = new Map<string, Buffer>();
    for (const entry of bundled.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name);
      files.set(`/${relative(folder, path).replaceAll(sep, '/')}`, await readFile(path));
    }
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
      const file = files.get(pathname);
      const policy = searchParams.get('policy');
      if (policy !== null) response.setHeader('content-security-policy', policy);
      response.setHeader('content-type', file ? 'text/javascript' : 'text/html');
      response.end(file ?? '<!doctype html><title>test</title>');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new BundleSite(server, folder);
  }

  /** What the pages of this test are served from. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await rm(this.folder, { recursive: true, force: true });
  }
}
