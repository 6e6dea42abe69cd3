import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Store } from '../store/store.ts';

/** A listen address that leaves the port to the system. */
const ANY_PORT = /^\/ip[46]\/([^/]+)\/tcp\/0$/;

/**
 * The addresses to listen on. Where one leaves the port open (`/tcp/0`), it is the port that this data folder had the
 * last time, as long as nobody else has it: links and contacts that others keep lead here again after a restart.
 */
export async function withKnownPorts(store: Store, listen: readonly string[]): Promise<string[]> {
  const taken = new Set<number>();
  return Promise.all(
    listen.map(async (address) => {
      const port = await knownPort(store, address);
      const [, host] = ANY_PORT.exec(address) ?? [];
      if (port === undefined || host === undefined || taken.has(port)) return address;
      taken.add(port);
      return (await isFree(host, port)) ? address.replace(/0$/, String(port)) : address;
    }),
  );
}

/**
 * Keeps the ports that were got for the addresses that left them open.
 *
 * @param actual the node's own addresses, in the order of `listen` where that matters
 */
export async function keepPorts(
  store: Store,
  listen: readonly string[],
  actual: readonly string[],
): Promise<void> {
  const open = listen.filter((address) => ANY_PORT.test(address));
  // Which of several open ports of one family is whose cannot be told: they stay unknown.
  for (const family of ['/ip4/', '/ip6/']) {
    const [address, another] = open.filter((each) => each.startsWith(family));
    if (address === undefined || another !== undefined) continue;
    const named = new Set(listen.map(portOf));
    const port = actual
      .filter((each) => each.startsWith(family))
      .map(portOf)
      .find((each) => each !== undefined && !named.has(each));
    if (port !== undefined) await store.putSetting(keyOf(address), new TextEncoder().encode(String(port)));
  }
}

async function knownPort(store: Store, address: string): Promise<number | undefined> {
  if (!ANY_PORT.test(address)) return undefined;
  const bytes = await store.getSetting(keyOf(address));
  const port = Number(new TextDecoder().decode(bytes ?? new Uint8Array(0)));
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

async function isFree(host: string, port: number): Promise<boolean> {
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

function portOf(address: string): number | undefined {
  const port = /\/tcp\/(\d+)/.exec(address)?.[1];
  return port === undefined ? undefined : Number(port);
}

function keyOf(address: string): string {
  return `listen-port${address}`;
}
