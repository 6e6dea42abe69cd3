import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Host } from '../../testbed/network.ts';
import type { Bed, Content, Running, RunningPeer, Session, System } from '../../testbed/system.ts';
import { makeTorrent } from '../torrent.ts';
import { TRACKER_PORT } from '../tracker.ts';
import type { ClientConfig } from './client.ts';
import { startProgram, type Program } from './program.ts';
import { versionOf } from './version.ts';

/** Where a client listens; each has a host of its own. */
const TORRENT_PORT = 6881;
const CONTROL_PORT = 6800;

/** A BitTorrent client, or one way to configure it. */
export interface TorrentClient {
  name: string;
  /** File in this folder that runs it, told a {@link ClientConfig}. */
  program: string;
  /** What the program is run by; default: this Node. */
  interpreter?: string | undefined;
  /** Prints its version. */
  versionCommand: readonly [string, ...string[]];
  /** What to install where the version command fails. */
  install: string;
  /** Bytes of a piece: what the client's own torrent maker takes for 64 MiB, unless tuned. */
  pieceBytes: number;
  /** Settings of the client: of every node, and those that the origin has besides. */
  settings?: ClientConfig['settings'] | undefined;
  originSettings?: ClientConfig['settings'] | undefined;
  superSeeding?: boolean | undefined;
}

/**
 * A BitTorrent client on the test bed. All meet through a tracker on the services host that tells each of everyone
 * before it, so the crowd is one mesh however a scenario lets nodes meet, and stays known when the origin is gone:
 * the best case for BitTorrent. Public discovery (DHT, local) is off; peer exchange is as it comes.
 */
export function torrentSystem(client: TorrentClient): System {
  return {
    name: client.name,
    version: () => versionOf(client.versionCommand, client.install),
    prepare: (content, bed) => prepare(client, content, bed),
  };
}

async function prepare(client: TorrentClient, content: Content, bed: Bed): Promise<Session> {
  const torrent = join(bed.folder, 'content.torrent');
  const announce = `http://${bed.services.address}:${TRACKER_PORT}/announce`;
  const { pieceBytes } = client;
  await writeFile(torrent, await makeTorrent(content.path, { name: content.name, pieceBytes, announce }));
  const tracker = startProgram(bed.services, [
    process.execPath,
    join(import.meta.dirname, '..', 'tracker.ts'),
  ]);
  await tracker.ready;

  const start = (host: Host, role: ClientConfig['role'], folder: string, freeRider: boolean): Program => {
    const config: ClientConfig = {
      role,
      torrent,
      folder,
      freeRider,
      port: TORRENT_PORT,
      controlPort: CONTROL_PORT,
      settings: { ...client.settings, ...(role === 'origin' ? client.originSettings : {}) },
      superSeeding: client.superSeeding === true,
      checkFirst: false,
    };
    const interpreter = client.interpreter ?? process.execPath;
    return startProgram(host, [
      interpreter,
      join(import.meta.dirname, client.program),
      JSON.stringify(config),
    ]);
  };
  return {
    async startOrigin(host): Promise<Running> {
      const program = start(host, 'origin', dirname(content.path), false);
      await program.ready;
      return program;
    },
    async startPeer(host, { path, freeRider }): Promise<RunningPeer> {
      const program = start(host, 'peer', await folderFor(path, content.name), freeRider);
      await program.ready;
      return { finished: program.finished, kill: program.kill, go: () => program.say('go') };
    },
    close: () => tracker.kill(),
  };
}

/** A folder in which a torrent's file may keep its name, while it is found at `path`, also after a restart. */
async function folderFor(path: string, name: string): Promise<string> {
  const folder = `${path}.torrent`;
  if ((await mkdir(folder, { recursive: true })) !== undefined) await symlink(join(folder, name), path);
  return folder;
}
