import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Store } from '../store/store.ts';

/** A host and port of one transport: what a listen address and the addresses got for it have in common. */
const PLACE = /^\/(ip[46])\/([^/]+)\/(tcp|udp)\/(\d+)(\/ws|\/webrtc-direct)?(?=\/|$)/;

interface Place {
  /** What listens, such as `ip4 tcp /ws`: each kind has a port of its own. */
  kind: string;
  host: string;
  protocol: 'tcp' | 'udp';
  /** 0: any. */
  port: number;
}

/**
 * The addresses to listen on. Where one leaves the port open (`/tcp/0`, `/udp/0/webrtc-direct`), it is the port that this
 * data folder had the last time, as long as nobody else has it: links and contacts that others keep lead here again
 * after a restart. Over UDP it is a port that is free now where there is none of the last time.
 */
export async function withKnownPorts(store: Store, listen: readonly string[]): Promise<string[]> {
  const taken = new Set<string>();
  return Promise.all(
    listen.map(async (address) => {
      const place = placeOf(address);
      if (place?.port !== 0) return address;
      const known = await knownPort(store, address);
      const key = `${place.protocol} ${known}`;
      const isMine = known !== undefined && !taken.has(key);
      if (isMine) taken.add(key);
      const port = isMine && (await isFree(place, known)) ? known : await openPort(place);
      return address.replace(`/${place.protocol}/0`, `/${place.protocol}/${port}`);
    }),
  );
}

/**
 * Keeps the ports that were got for the addresses that left them open.
 *
 * @param actual the node's own addresses
 */
export async function keepPorts(
  store: Store,
  listen: readonly string[],
  actual: readonly string[],
): Promise<void> {
  const wanted = listen.flatMap((address) => ({ address, place: placeOf(address) }));
  for (const { address, place } of wanted) {
    if (place?.port !== 0) continue;
    const same = wanted.filter((each) => each.place?.kind === place.kind);
    // Which of several open ports of one kind is whose cannot be told: they stay unknown.
    if (same.filter((each) => each.place?.port === 0).length > 1) continue;
    const named = new Set(same.map((each) => each.place?.port));
    const got = actual.map(placeOf).find((each) => each?.kind === place.kind && !named.has(each.port));
    if (got) await store.putSetting(keyOf(address), new TextEncoder().encode(String(got.port)));
  }
}

function placeOf(address: string): Place | undefined {
  const [, family = '', host = '', protocol, port, above = ''] = PLACE.exec(address) ?? [];
  if (protocol !== 'tcp' && protocol !== 'udp') return undefined;
  return { kind: `${family} ${protocol} ${above}`, host, protocol, port: Number(port) };
}

async function knownPort(store: Store, address: string): Promise<number | undefined> {
  const bytes = await store.getSetting(keyOf(address));
  const port = Number(new TextDecoder().decode(bytes ?? new Uint8Array(0)));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/**
 * The port to listen on where any will do. libp2p's webrtc-direct takes one on which nobody listens over TCP, and fails
 * where that is taken over UDP: now and then, on a machine with many nodes. So the system is asked for one.
 */
async function openPort({ host, protocol }: Place): Promise<number> {
  // Where there is none whoever listens says what is wrong.
  return protocol === 'tcp' ? 0 : ((await bindUdp(host, 0)) ?? 0);
}

async function isFree({ host, protocol }: Place, port: number): Promise<boolean> {
  return protocol === 'tcp' ? isTcpFree(host, port) : (await bindUdp(host, port)) !== undefined;
}

async function isTcpFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}

/** Takes a UDP port, and gives it back at once. @returns which one; undefined: it cannot be had */
async function bindUdp(host: string, port: number): Promise<number | undefined> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.bind({ address: host, port, exclusive: true });
    await once(socket, 'listening');
    return socket.address().port;
  } catch {
    return undefined;
  } finally {
    // Closing one that could not be bound is allowed.
    await new Promise<void>((resolve) => socket.close(resolve));
  }
}

function keyOf(address: string): string {
  return `listen-port${address}`;
}
