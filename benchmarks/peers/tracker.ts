/**
 * An HTTP tracker (BEP 3, compact as in BEP 23), run as a program on the test bed's services host. Whoever announces
 * is told of everyone who announced before it; so all meet, in whichever order they come. It forgets nobody, for the
 * test bed cuts links and kills processes without a goodbye and no tracker would know.
 */
import { createServer } from 'node:http';
import { bencode } from './bencode.ts';

/** Where the tracker listens. */
export const TRACKER_PORT = 6969;

/** Seconds between two announces of a client: often enough to matter in a run that takes minutes. */
const INTERVAL_SEC = 30;

/** Who announced, by the torrent's hash (as the query spells it): `address:port`. */
export type Registry = Map<string, Set<string>>;

/**
 * Answers an announce and enters the announcer.
 * @param url path and query of the request
 * @param address IPv4 address that it came from
 */
export function answerAnnounce(registry: Registry, url: string, address: string): Buffer {
  // Clients that ask for counts (a scrape) get none; to refuse them would only have them ask again.
  if (url.startsWith('/scrape')) return bencode({ files: {} });
  // Info hashes are raw bytes, which are no UTF-8 and which URLSearchParams would spoil: they are taken as spelt.
  const fields = new Map(
    (url.split('?')[1] ?? '').split('&').map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      return [name, value];
    }),
  );
  const port = Number(fields.get('port'));
  const infoHash = fields.get('info_hash')?.toLowerCase();
  if (!infoHash || !Number.isInteger(port) || port < 1 || port > 65535) {
    return bencode({ 'failure reason': 'an announce needs info_hash and port' });
  }
  const members = registry.get(infoHash) ?? new Set<string>();
  registry.set(infoHash, members);
  const self = `${address}:${port}`;
  const others = [...members].filter((member) => member !== self);
  members.add(self);
  return bencode({
    interval: INTERVAL_SEC,
    'min interval': INTERVAL_SEC,
    complete: 1,
    incomplete: others.length,
    peers: Buffer.concat(others.map(compactContact)),
  });
}

/** Four bytes of address and two of port (BEP 23). */
function compactContact(contact: string): Buffer {
  const [address = '', port = ''] = contact.split(':');
  const bytes = Buffer.alloc(6);
  address.split('.').forEach((part, index) => bytes.writeUInt8(Number(part), index));
  bytes.writeUInt16BE(Number(port), 4);
  return bytes;
}

if (import.meta.main) {
  const registry: Registry = new Map();
  createServer((request, response) => {
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    response.end(answerAnnounce(registry, request.url ?? '', address));
  }).listen(TRACKER_PORT, '0.0.0.0', () => process.stdout.write('ready\n'));
}
