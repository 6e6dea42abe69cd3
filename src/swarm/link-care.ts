import { ShoalError } from '../errors.ts';
import { Allowance } from './core/allowance.ts';
import { USELESS_BURST, USELESS_PER_SEC } from './core/constants.ts';
import type { Event } from './core/events.ts';
import type { LinkTable } from './link-table.ts';
import type { PeerLink } from './peer-link.ts';

/** Call {@link LinkCare.tick} this often. */
export const CARE_MS = 1000;

/** Each link is pinged so often, counted from one ping to the next; at first with each tick, while little is under way. */
const PING_MS = 5000;
const FIRST_PINGS = 4;

/**
 * A link on which no chunk has moved for so long is quiet, and pinged this seldom, unless the peer was heard meanwhile: a
 * seed with a hundred peers that want nothing must cost next to nothing. With a tick and a packet that is lost and sent again it
 * stays below half a minute, after which some routers forget a connection, and drop what comes on it then without a word.
 */
const QUIET_MS = 60_000;
const QUIET_PING_MS = 25_000;

/** A link on whose connection nothing at all came for so long is dead, with {@link CARE_MS} within ten seconds of its last byte. */
const SILENCE_MS = 9000;

/** But not before a ping has been out for so long: an idle link is silent in between. */
const ANSWER_MS = 3000;

/** A tick that comes so late tells that this process stood still, or its machine slept. */
const MAX_PAUSE_MS = 3000;

/**
 * Roots that are not active here and that a peer may name at once, and a second: each is looked up in the store. An application
 * that opens thousands of assets names them all; a link keeps 4,096 of them.
 */
const UNKNOWN_BURST = 16_384;
const UNKNOWN_PER_SEC = 1000;

/**
 * Nodes that a peer may take back at once, and a second, before they are sent: what is asked for and taken back is not bounded by
 * what the peer reads. An honest one has 512 asked for at most, and waits for them for 0.7 s at least.
 */
const TAKEN_BACK_BURST = 16_384;
const TAKEN_BACK_PER_SEC = 1000;

/** What a {@link LinkCare} works with. */
export interface LinkCareHost {
  nowMs(): number;
  links: Pick<LinkTable, 'values'>;
  handle(event: Event): void;
}

/**
 * Measures the round trip of every link, which the exchange needs, and ends links whose peer is gone without a word.
 * Answers PINGs, and counts what is of no use and never reaches the exchange: it has an allowance as large as there.
 */
export class LinkCare {
  readonly #host: LinkCareHost;
  readonly #pings = new WeakMap<PeerLink, { count: number; atMs: number }>();
  readonly #useless = new WeakMap<PeerLink, Allowance>();
  readonly #unknown = new WeakMap<PeerLink, Allowance>();
  readonly #takenBack = new WeakMap<PeerLink, Allowance>();
  #nextNonce = 1;
  #tickedAtMs = -Infinity;

  constructor(host: LinkCareHost) {
    this.#host = host;
  }

  ping(link: PeerLink): void {
    const nonce = this.#nextNonce++ % 2 ** 32;
    link.ping = { nonce, sentAtMs: this.#host.nowMs() };
    const count = (this.#pings.get(link)?.count ?? 0) + 1;
    this.#pings.set(link, { count, atMs: link.ping.sentAtMs });
    link.send({ type: 'ping', nonce });
  }

  /** The link may lead nowhere any more: a quiet one is asked now, and not when its turn comes. */
  doubt(link: PeerLink): void {
    if (!link.ping && this.#isQuiet(link)) this.ping(link);
  }

  /**
   * Something is about to be asked over the link, and an answer waited for: whether a quiet one leads anywhere must not come out
   * half a minute later, when the asker gives up.
   */
  rely(link: PeerLink): void {
    if (this.#host.nowMs() - link.heardAtMs >= PING_MS) this.doubt(link);
  }

  /** A PING came. @throws ERR_PEER_FLOOD where they come over and over */
  pinged(link: PeerLink, nonce: number): void {
    this.wasted(link, 'PING');
    link.send({ type: 'pong', nonce });
  }

  /** A PONG came. One that answers no ping under way is passed over. @throws ERR_PEER_FLOOD where they come over and over */
  pong(link: PeerLink, nonce: number): void {
    if (link.ping?.nonce !== nonce) return this.wasted(link, 'PONG that nobody waits for');
    const rttMs = this.#host.nowMs() - link.ping.sentAtMs;
    link.ping = undefined;
    this.#host.handle({ type: 'rtt', peer: link.peer, rttMs });
  }

  /** The peer sent something of no use to the exchange. @throws ERR_PEER_FLOOD where its allowance is used up */
  wasted(link: PeerLink, what: string): void {
    this.#spend(this.#useless, link, what, USELESS_PER_SEC, USELESS_BURST);
  }

  /** The peer named a root that is not active here. @throws ERR_PEER_FLOOD where it does so over and over */
  namedUnknown(link: PeerLink): void {
    this.#spend(this.#unknown, link, 'names of roots', UNKNOWN_PER_SEC, UNKNOWN_BURST);
  }

  /** The peer does not want nodes any more that it had asked for. @throws ERR_PEER_FLOOD where it does so over and over */
  tookBack(link: PeerLink, nodes: number): void {
    this.#spend(
      this.#takenBack,
      link,
      'requests that it took back',
      TAKEN_BACK_PER_SEC,
      TAKEN_BACK_BURST,
      nodes,
    );
  }

  #spend(
    allowances: WeakMap<PeerLink, Allowance>,
    link: PeerLink,
    what: string,
    perSec: number,
    burst: number,
    amount = 1,
  ): void {
    const nowMs = this.#host.nowMs();
    let allowance = allowances.get(link);
    if (!allowance) allowances.set(link, (allowance = new Allowance(perSec, burst, nowMs)));
    if (allowance.spend(nowMs, amount)) return;
    throw new ShoalError('ERR_PEER_FLOOD', `it sent ${what} over and over; it was cut off`, {
      fault: 'peer',
    });
  }

  /** Call every {@link CARE_MS}. */
  tick(): void {
    const nowMs = this.#host.nowMs();
    // This process stood still: what came meanwhile has not been read, and nobody is to blame.
    const isAwake = nowMs - this.#tickedAtMs < MAX_PAUSE_MS;
    const sinceMs = isAwake ? this.#tickedAtMs : nowMs;
    this.#tickedAtMs = nowMs;
    for (const link of [...this.#host.links.values()]) {
      link.listen(sinceMs);
      if (!link.ping) {
        const { count, atMs } = this.#pings.get(link) ?? { count: 0, atMs: -Infinity };
        const isDue = this.#isQuiet(link)
          ? nowMs - Math.max(atMs, link.heardAtMs) >= QUIET_PING_MS
          : nowMs - atMs >= PING_MS;
        if (count < FIRST_PINGS || isDue) this.ping(link);
      } else if (isAwake && this.#isSilent(link, link.ping.sentAtMs)) {
        const error = new Error('the peer does not answer');
        link.end(error);
        link.connection.abort(error);
      } else this.#askAgain(link, link.ping.nonce);
    }
  }

  /**
   * The answer stands behind what the peer sends, which may take long over a slow path; there this node's next word is a sign of
   * life, where it has nothing to say before a chunk is whole. The same question, so that the answer tells the round trip.
   */
  #askAgain(link: PeerLink, nonce: number): void {
    const asked = this.#pings.get(link);
    const nowMs = this.#host.nowMs();
    if (!asked || nowMs - asked.atMs < PING_MS || link.heardAtMs <= asked.atMs) return;
    asked.atMs = nowMs;
    link.send({ type: 'ping', nonce });
  }

  /** Data counts as an answer: behind a slow uplink the PONG may wait its turn. */
  #isSilent(link: PeerLink, pingedAtMs: number): boolean {
    const nowMs = this.#host.nowMs();
    const answerMs = this.#isQuiet(link) ? SILENCE_MS : ANSWER_MS;
    return nowMs - link.heardAtMs > SILENCE_MS && nowMs - pingedAtMs > answerMs;
  }

  #isQuiet(link: PeerLink): boolean {
    return this.#host.nowMs() - link.movedAtMs > QUIET_MS;
  }
}
