import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkBuilt } from '../built.ts';
import type { Host } from './network.ts';
import { killNow, spawnIn } from './spawn.ts';
import type { Content, PeerOptions, Running, RunningPeer, Session, System } from './system.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** What a node says: one key a line. */
interface Said {
  ready?: { addresses: string[] };
  shared?: { link: string };
  done?: { ms: number };
  failed?: { message: string };
}

/** One shoal process in a namespace. */
class ShoalProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<keyof Said, (said: Said) => void>();
  readonly #gone: Promise<never>;

  constructor(host: Host, freeRider: boolean) {
    const script = join(import.meta.dirname, 'shoal-node.ts');
    const role = freeRider ? ['free-rider'] : [];
    this.#child = spawnIn(host, [process.execPath, script, join(host.folder, 'data'), ...role], 'shoal.log');
    this.#gone = new Promise((_, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        reject(new Error(`shoal on ${host.name} ended (${signal ?? `exit code ${code}`})`));
      });
    });
    // Whoever waits hears of it; where nobody waits it is no news.
    this.#gone.catch(() => {});
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) =>
      this.#hear(line),
    );
  }

  /** Resolves with the next message that has this key. Ask before giving the order that it answers. */
  async next<K extends keyof Said>(key: K): Promise<NonNullable<Said[K]>> {
    const heard = new Promise<Said>((resolve) => this.#waiting.set(key, resolve));
    return (await Promise.race([heard, this.#gone]))[key] as NonNullable<Said[K]>;
  }

  tell(order: object): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  async kill(): Promise<void> {
    await killNow(this.#child);
  }

  #hear(line: string): void {
    // Only what begins as a message is one: Node prints warnings of its own.
    if (!line.startsWith('{')) return;
    const said = JSON.parse(line) as Said;
    for (const key of Object.keys(said) as (keyof Said)[]) this.#waiting.get(key)?.(said);
  }
}

/** Shoal itself, from the `dist` of this tree. */
export const shoalSystem: System = {
  name: 'shoal',
  version: async () => {
    checkBuilt();
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    return `${version}, Node ${process.versions.node}`;
  },
  prepare: async (content) => new ShoalSession(content),
};

class ShoalSession implements Session {
  readonly #content: Content;
  readonly #addresses = new Map<Host, string[]>();
  #link = '';

  constructor(content: Content) {
    this.#content = content;
  }

  async startOrigin(host: Host): Promise<Running> {
    const node = await this.#start(host, false);
    const shared = node.next('shared');
    node.tell({ share: { path: this.#content.path, chunkSize: this.#content.chunkBytes } });
    this.#link = (await shared).link;
    return node;
  }

  async startPeer(host: Host, { path, freeRider }: PeerOptions): Promise<RunningPeer> {
    const node = await this.#start(host, freeRider);
    const finished = Promise.race([
      node.next('done').then(() => {}),
      node.next('failed').then(({ message }) => Promise.reject(new Error(message))),
    ]);
    finished.catch(() => {});
    return {
      finished,
      kill: () => node.kill(),
      go: (known) => {
        // The origin's addresses are in the link, as a user has them.
        const peers = known.slice(1).flatMap((host) => this.#addresses.get(host)?.slice(0, 1) ?? []);
        node.tell({ get: { link: this.#link, path, peers } });
      },
    };
  }

  async close(): Promise<void> {}

  async #start(host: Host, freeRider: boolean): Promise<ShoalProcess> {
    const node = new ShoalProcess(host, freeRider);
    const { addresses } = await node.next('ready');
    this.#addresses.set(host, addresses);
    return node;
  }
}
