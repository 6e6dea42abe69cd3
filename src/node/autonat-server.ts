import type { Connection, Startable, Stream } from '@libp2p/interface';
import type { Registrar, TransportManager } from '@libp2p/interface-internal';
import { lpStream } from '@libp2p/utils';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { equals } from 'uint8arrays/equals';
import { isDirect } from '../swarm/direct-connection.ts';
import {
  AUTONAT_PROTOCOL,
  decodeDial,
  DialStatus,
  encodeDialResponse,
  MAX_AUTONAT_BYTES,
} from './autonat-messages.ts';
import { DialBackAllowance } from './dial-back-allowance.ts';
import { hostOf, isOwnHost, isPublicHost } from './ip-host.ts';

/** One attempt. A router that lets nothing in drops the packet and says nothing. */
const DIAL_MS = 5_000;

/** All of a request, with the time in which its peer looks at the connection. */
const REQUEST_MS = 15_000;

/** A peer asks once at a time. */
const MAX_STREAMS = 2;

const PLAIN_TCP = /^\/ip[46]\/[^/]+\/tcp\/\d+$/;

/** The parts of a libp2p node that this works with. */
interface Components {
  registrar: Registrar;
  transportManager: TransportManager;
}

/** An answer. Disposed of, it ends the connection that was made for it. */
interface Answer extends AsyncDisposable {
  status: number;
  address?: Uint8Array;
}

/**
 * AutoNAT v1, the server's side: dials a peer back, over TCP, at the host from which it is connected and no other one. A libp2p
 * service.
 */
export function autonatServer(): (components: Components) => Startable {
  return (components) => new AutonatServer(components);
}

class AutonatServer implements Startable {
  readonly #components: Components;
  readonly #allowance = new DialBackAllowance();

  constructor(components: Components) {
    this.#components = components;
  }

  async start(): Promise<void> {
    await this.#components.registrar.handle(
      AUTONAT_PROTOCOL,
      (stream, connection) => this.#serve(stream, connection),
      { maxInboundStreams: MAX_STREAMS },
    );
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(AUTONAT_PROTOCOL);
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const signal = AbortSignal.timeout(REQUEST_MS);
    const bounds = { maxDataLength: MAX_AUTONAT_BYTES, maxBufferSize: MAX_AUTONAT_BYTES * 2 };
    const messages = lpStream(stream, bounds);
    try {
      const request = (await messages.read({ signal })).subarray();
      await using answer = await this.#answer(request, connection, signal);
      await messages.write(encodeDialResponse(answer.status, answer.address), { signal });
      // The peer is to see the connection before it ends; then it closes the stream.
      if (answer.status === DialStatus.ok) await messages.read({ signal }).catch(() => {});
      await stream.close({ signal });
    } catch (error) {
      stream.abort(error as Error);
    }
  }

  async #answer(request: Uint8Array, asking: Connection, signal: AbortSignal): Promise<Answer> {
    const target = dialTarget(request, asking);
    if (typeof target === 'number') return refusal(target);
    const leave = this.#allowance.take(hostOf(target) ?? '', performance.now());
    if (!leave) return refusal(DialStatus.dialRefused);
    const address = target.bytes;
    try {
      const connection = await this.#dial(target.encapsulate(`/p2p/${asking.remotePeer.toString()}`), signal);
      return { status: DialStatus.ok, address, [Symbol.asyncDispose]: () => end(connection, leave) };
    } catch {
      leave[Symbol.dispose]();
      return { ...refusal(DialStatus.dialError), address };
    }
  }

  /** A connection of its own, beside the one that there is. */
  async #dial(address: Multiaddr, ended: AbortSignal): Promise<Connection> {
    const dialling = new AbortController();
    const abort = (): void => dialling.abort();
    // Not a signal that fires later: the TCP transport destroys a socket for as long as it lives.
    const timer = setTimeout(abort, DIAL_MS);
    ended.addEventListener('abort', abort);
    try {
      return await this.#components.transportManager.dial(address, {
        signal: dialling.signal,
        // Limited, as one through a relay is: the exchange opens no link on what is about to end.
        ...{ limits: { seconds: REQUEST_MS / 1000 } },
      });
    } finally {
      clearTimeout(timer);
      ended.removeEventListener('abort', abort);
    }
  }
}

/** What to dial for a request, or why nothing is dialled. */
function dialTarget(request: Uint8Array, asking: Connection): Multiaddr | number {
  const host = hostOf(asking.remoteAddr);
  try {
    const { peer, addresses } = decodeDial(request);
    if (!equals(peer, asking.remotePeer.toMultihash().bytes)) return DialStatus.badRequest;
    // A dial within a local network, or to this machine itself, tells nothing of a NAT.
    if (!isDirect(asking) || host === undefined || !isPublicHost(host) || isOwnHost(host))
      return DialStatus.dialRefused;
    for (const bytes of addresses) {
      const address = multiaddr(bytes);
      if (PLAIN_TCP.test(address.toString()) && hostOf(address) === host) return address;
    }
    return DialStatus.dialRefused;
  } catch {
    return DialStatus.badRequest;
  }
}

function refusal(status: number): Answer {
  return { status, [Symbol.asyncDispose]: async () => {} };
}

async function end(connection: Connection, leave: Disposable): Promise<void> {
  await connection.close().catch((error: unknown) => connection.abort(error as Error));
  leave[Symbol.dispose]();
}
