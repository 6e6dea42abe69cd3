import { Option, type Command } from 'commander';
import { parseAddress, parseCount, parseNetwork, parseRate, parseText, parseTimeout } from './values.ts';

/** What is logged, the gravest first. */
const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

/** What every command takes. Undefined is: not given. */
export interface CommonOptions {
  data?: string;
  listen?: string[];
  peer?: string[];
  bootstrap?: string[];
  network?: string;
  timeout?: number;
  uploadLimit?: number;
  downloadLimit?: number;
  peerUploadLimit?: number;
  peerDownloadLimit?: number;
  fleet?: boolean;
  offload?: boolean;
  trace?: string;
  web?: boolean;
  relay?: boolean;
  relayPeers?: number;
  stun?: string[];
  mdns?: boolean;
  dht?: boolean;
  logLevel?: (typeof LEVELS)[number];
  json?: boolean;
}

/** How long to look for somebody who has it, where `--timeout` is not given. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** Adds the common options to the program; commander takes them before and after the verb. */
export function addCommonOptions(program: Command): void {
  const options = [
    new Option(
      '--data <dir>',
      "data folder (default: $SHOAL_DATA, else shoal in the user's data folder)",
    ).argParser(parseText),
    new Option(
      '--listen <multiaddr>',
      'listen here (repeatable; default: a free port, the same again after a restart)',
    ).argParser(collect(parseAddress)),
    new Option('--peer <multiaddr>', 'connect to this peer (repeatable)').argParser(collect(parseAddress)),
    new Option('--bootstrap <multiaddr>', 'find others through this node (repeatable)').argParser(
      collect(parseAddress),
    ),
    new Option('--network <name>', 'name of the network; different ones never mix (default: main)').argParser(
      parseNetwork,
    ),
    new Option('--timeout <time>', 'give up when no byte came for so long (default: 30s)').argParser(
      parseTimeout,
    ),
    new Option('--upload-limit <rate>', 'send at most this, such as 2MB/s').argParser(parseRate),
    new Option('--download-limit <rate>', 'receive at most this').argParser(parseRate),
    new Option('--peer-upload-limit <rate>', 'send each peer at most this').argParser(parseRate),
    new Option('--peer-download-limit <rate>', 'receive from each peer at most this').argParser(parseRate),
    new Option('--fleet', 'all peers are mine: serve who has least, whoever gave what'),
    new Option('--offload', 'stop giving what is shared here once others have all of it'),
    new Option(
      '--trace <file>',
      'record what the exchange does (with the ids and addresses of peers) for replay',
    ).argParser(parseText),
    new Option('--web', 'let web pages fetch from here (default: where it serves until stopped)'),
    new Option('--no-web', 'listen for no web pages'),
    new Option('--relay', 'let peers that nobody can dial be found through here (default: as --web)'),
    new Option('--no-relay', 'relay for nobody'),
    new Option('--relay-peers <count>', 'relay for so many at once (default: 256)').argParser(parseCount),
    new Option(
      '--stun <url>',
      'ask this STUN server for the address outside of the NAT, for pages (repeatable; default: none)',
    ).argParser(collect(parseText)),
    new Option('--no-mdns', 'do not look for peers on the local network'),
    new Option('--no-dht', 'take no part in the DHT'),
    new Option('--log-level <level>', 'log to stderr (default: warn)').choices([...LEVELS]),
    new Option('--json', 'print one JSON object a line'),
  ];
  for (const option of options) program.addOption(option);
}

/** Of an option, or argument, that can be given several times. */
export function collect(parse: (text: string) => string) {
  return (value: string, previous: string[] | undefined): string[] => [...(previous ?? []), parse(value)];
}

/** A log function that lets through what is at least as grave as `--log-level` says; without one, warnings and worse. */
export function logger(
  level: CommonOptions['logLevel'] = 'warn',
  write: (level: string, message: string) => void,
): (level: (typeof LEVELS)[number], message: string) => void {
  const limit = LEVELS.indexOf(level);
  return (at, message) => {
    if (LEVELS.indexOf(at) <= limit) write(at, message);
  };
}
