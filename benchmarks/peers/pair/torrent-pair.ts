import { createServer } from 'node:http';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { programOf } from '../../process.ts';
import type { ClientConfig } from '../systems/client.ts';
import type { TorrentClient } from '../systems/torrent-system.ts';
import { versionOf } from '../systems/version.ts';
import { makeTorrent } from '../torrent.ts';
import { answerAnnounce, TRACKER_PORT, type Registry } from '../tracker.ts';
import { ADDRESS, type Pair, type PairSystem, type Side } from './pair.ts';

/** The sender's ports; the receiver's are one more. */
const PORT = 6881;
const CONTROL_PORT = 6800;

/** A BitTorrent client, or one way to configure it. */
export interface TorrentPairClient
  extends
    Pick<PairSystem, 'about' | 'asked'>,
    Pick<
      TorrentClient,
      'name' | 'program' | 'interpreter' | 'versionCommand' | 'install' | 'pieceBytes' | 'settings'
    > {
  /** The program drives the client, which is a process of its own. */
  isDriven?: boolean;
}

/** Both sides by a BitTorrent client. They find each other by a tracker, in this process. */
export function torrentPair(client: TorrentPairClient): PairSystem {
  const { name, about, asked } = client;
  return {
    name,
    about,
    asked,
    version: () => versionOf(client.versionCommand, client.install),
    start: (pair) => start(client, pair),
  };
}

async function start(client: TorrentPairClient, pair: Pair): Promise<() => void> {
  const { content } = pair;
  const torrent = join(pair.folderOf('sender'), 'content.torrent');
  const announce = `http://${ADDRESS}:${TRACKER_PORT}/announce`;
  const { pieceBytes } = client;
  await writeFile(torrent, await makeTorrent(content.path, { name: content.name, pieceBytes, announce }));
  const { announced } = await track(pair);
  const run = (side: Side): ReturnType<Pair['run']> => {
    const script = join(import.meta.dirname, '..', 'systems', client.program);
    const isSender = side === 'sender';
    const config: ClientConfig = {
      role: isSender ? 'origin' : 'peer',
      torrent,
      folder: dirname(isSender ? content.path : pair.target),
      freeRider: false,
      port: isSender ? PORT : PORT + 1,
      controlPort: isSender ? CONTROL_PORT : CONTROL_PORT + 1,
      settings: client.settings ?? {},
      superSeeding: false,
      // As Shoal's sender does.
      checkFirst: true,
    };
    const program = client.interpreter
      ? ([client.interpreter, script] as const)
      : ([process.execPath, programOf(script)] as const);
    return pair.run(side, [...program, JSON.stringify(config)], { isDriven: client.isDriven === true });
  };
  const [sender, receiver] = [run('sender'), run('receiver')];
  await Promise.all([sender.ready, receiver.ready]);
  // The sender is found only then.
  await Promise.race([announced, sender.finished]);
  return () => receiver.say('go');
}

/** Runs a tracker as long as the transfer. @returns `announced`: resolves when somebody is known */
async function track(pair: Pair): Promise<{ announced: Promise<void> }> {
  const registry: Registry = new Map();
  const { promise: announced, resolve } = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    response.end(answerAnnounce(registry, request.url ?? '', ADDRESS));
    if (registry.size > 0) resolve();
  });
  server.listen(TRACKER_PORT, ADDRESS);
  await once(server, 'listening');
  pair.closing.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { announced };
}
