import { aria2, libtorrent, TCP_ALONE, transmission, webtorrent } from '../systems.ts';
import { curlPair } from './curl-pair.ts';
import { packagePair } from './package-pair.ts';
import type { PairSystem } from './pair.ts';
import { torrentPair } from './torrent-pair.ts';

const MIB = 1024 * 1024;

/** libtorrent's, for a fast link; more threads for hashing and files, and other sizes of pieces, brought nothing. */
const LONG_QUEUES = {
  send_buffer_watermark: 5 * MIB,
  send_buffer_low_watermark: MIB,
  send_buffer_watermark_factor: 150,
  max_out_request_queue: 3000,
  max_allowed_in_request_queue: 5000,
  request_queue_time: 10,
};

/** What else there is, beside Shoal. What is asked of Shoal against it: issue 4. */
export const others: readonly PairSystem[] = [
  curlPair({ name: 'curl', tls: false }),
  curlPair({ name: 'curl-tls', tls: true }),
  torrentPair({
    ...libtorrent,
    name: 'libtorrent',
    about: 'TCP, unencrypted; SHA-1 of each piece',
    asked: 1.5,
    pieceBytes: MIB,
    settings: { ...TCP_ALONE, ...LONG_QUEUES },
  }),
  torrentPair({
    ...aria2,
    name: 'aria2',
    about: 'TCP, unencrypted; SHA-1 of each piece',
    isDriven: true,
    pieceBytes: MIB,
    settings: { 'file-allocation': 'none' },
  }),
  torrentPair({
    ...transmission,
    name: 'transmission',
    about: 'TCP, unencrypted; SHA-1 of each piece',
    isDriven: true,
    pieceBytes: MIB,
  }),
  torrentPair({
    ...webtorrent,
    name: 'webtorrent',
    about: 'TCP, unencrypted; SHA-1 of each piece',
    asked: 2.3,
    pieceBytes: MIB,
  }),
  packagePair({
    name: 'hyperdrive',
    package: 'hyperdrive',
    program: 'hyperdrive-node.ts',
    about: 'TCP, Noise; BLAKE2b of each block; into its store, and from there to the file',
    asked: 4,
  }),
  packagePair({
    name: 'helia',
    package: 'helia',
    program: 'helia-node.ts',
    about: 'TCP, Noise; SHA-256 of each block; into its store, and from there to the file',
    asked: 10,
  }),
  packagePair({
    name: 'iroh',
    package: '@number0/iroh',
    program: 'iroh-node.ts',
    about: 'QUIC; BLAKE3 as it comes; into its store, and moved from there',
    asked: 4,
  }),
];
