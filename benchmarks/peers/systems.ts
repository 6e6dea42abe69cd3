import { join } from 'node:path';
import type { System } from '../testbed/system.ts';
import { nginxCurl } from './systems/nginx-curl.ts';
import { torrentSystem, type TorrentClient } from './systems/torrent-system.ts';

const KIB = 1024;

/** Debian's own Python is the one that finds Debian's libtorrent. */
const PYTHON = '/usr/bin/python3';

/** libtorrent's settings, without uTP. */
export const TCP_ALONE = { enable_incoming_utp: false, enable_outgoing_utp: false };

/** Debian's libtorrent. */
export const libtorrent = {
  program: 'libtorrent-node.py',
  interpreter: PYTHON,
  versionCommand: [PYTHON, '-c', 'import libtorrent; print("libtorrent", libtorrent.version)'],
  install: 'apt-get install python3-libtorrent',
} as const satisfies Partial<TorrentClient>;

/** Debian's aria2. */
export const aria2 = {
  program: 'aria2-node.ts',
  versionCommand: ['aria2c', '--version'],
  install: 'apt-get install aria2',
} as const satisfies Partial<TorrentClient>;

/** Debian's Transmission. */
export const transmission = {
  program: 'transmission-node.ts',
  versionCommand: ['transmission-daemon', '--version'],
  install: 'apt-get install transmission-daemon',
} as const satisfies Partial<TorrentClient>;

/** The package of npm. */
export const webtorrent = {
  program: 'webtorrent-node.ts',
  versionCommand: [
    process.execPath,
    '-p',
    '"webtorrent " + JSON.parse(fs.readFileSync(process.argv[1])).version',
    join(import.meta.dirname, 'node_modules', 'webtorrent', 'package.json'),
  ],
  install: 'npm ci --prefix benchmarks/peers',
} as const satisfies Partial<TorrentClient>;

/** The peers beside shoal, the best first. Piece sizes: what each one's torrent maker takes for 64 MiB, but for the tuned ones. */
export const peerSystems: readonly System[] = [
  torrentSystem({
    ...libtorrent,
    name: 'libtorrent-tuned',
    pieceBytes: 64 * KIB,
    // Short queues, so that pieces are chosen late; who is served is decided often, for all is over within a minute.
    settings: { max_out_request_queue: 4, unchoke_interval: 5, mixed_mode_algorithm: 0 },
    // Few at a time, so that each piece is whole, and forwarded, soon.
    originSettings: { unchoke_slots_limit: 2 },
  }),
  torrentSystem({
    ...libtorrent,
    name: 'libtorrent-super',
    pieceBytes: 64 * KIB,
    superSeeding: true,
    // Over uTP it took a fifth longer.
    settings: TCP_ALONE,
  }),
  torrentSystem({ ...libtorrent, name: 'libtorrent', pieceBytes: 128 * KIB }),
  torrentSystem({
    ...libtorrent,
    name: 'libtorrent-tcp',
    pieceBytes: 128 * KIB,
    settings: TCP_ALONE,
  }),
  torrentSystem({ ...aria2, name: 'aria2', pieceBytes: 64 * KIB }),
  torrentSystem({ ...transmission, name: 'transmission', pieceBytes: 64 * KIB }),
  torrentSystem({
    ...webtorrent,
    name: 'webtorrent-rarest',
    pieceBytes: 64 * KIB,
    settings: { strategy: 'rarest' },
  }),
  torrentSystem({ ...webtorrent, name: 'webtorrent', pieceBytes: 64 * KIB }),
  nginxCurl,
];
