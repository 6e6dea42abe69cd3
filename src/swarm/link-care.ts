import type { Event } from './core/events.ts';
import type { LinkTable } from './link-table.ts';
import type { PeerLink } from './peer-link.ts';

/** A link on which a ping went out and nothing at all came for so long is dead. */
const SILENCE_MS = 10_000;

/** What a {@link LinkCare} works with. */
export interface LinkCareHost {
  nowMs(): number;
  links: LinkTable;
  handle(event: Event): void;
}

/** Measures the round trip of every link, which the exchange needs, and ends links whose peer is gone without a word. */
export class LinkCare {
  readonly #host: LinkCareHost;
  #nextNonce = 1;

  constructor(host: LinkCareHost) {
    this.#host = host;
  }

  ping(link: PeerLink): void {
    const nonce = this.#nextNonce++ % 2 ** 32;
    link.ping = { nonce, sentAtMs: this.#host.nowMs() };
    link.send({ type: 'ping', nonce });
  }

  /** A PONG came. One that answers no ping under way is passed over. */
  pong(link: PeerLink, nonce: number): void {
    if (link.ping?.nonce !== nonce) return;
    const rttMs = this.#host.nowMs() - link.ping.sentAtMs;
    link.ping = undefined;
    this.#host.handle({ type: 'rtt', peer: link.peer, rttMs });
  }

  /** Call every few seconds. */
  tick(): void {
    for (const link of [...this.#host.links.values()]) {
      if (!link.ping) this.ping(link);
      else if (this.#isSilent(link, link.ping.sentAtMs)) {
        const error = new Error('the peer does not answer');
        link.end(error);
        link.connection.abort(error);
      }
    }
  }

  /** Data counts as an answer: behind a slow uplink the PONG may wait its turn. */
  #isSilent(link: PeerLink, pingedAtMs: number): boolean {
    return this.#host.nowMs() - Math.max(link.heardAtMs, pingedAtMs) > SILENCE_MS;
  }
}
