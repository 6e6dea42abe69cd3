import type { Rng } from '../swarm/core/rng.ts';
import { SEGMENT_BYTES } from './wire-bytes.ts';

/** What Linux sends before the first acknowledgement (RFC 6928). */
const INITIAL_WINDOW = 10 * SEGMENT_BYTES;

/** What a loss leaves of the window (CUBIC, RFC 9438). */
const BETA = 0.7;

/** CUBIC's scale, segments per second cubed. */
const CUBIC_C = 0.4;

/**
 * Linux's retransmission time-out is the smoothed round trip and what it varies by, and that is taken to be this at least
 * (`tcp_rtt_estimator`).
 */
const MIN_RTO_VARIANCE_MS = 200;

/** Largest window: Linux's default limit of the send buffer, 4 MiB. */
const MAX_WINDOW = 4 << 20;

export interface PathModel {
  /** Share of segments lost. */
  readonly loss: number;
  /** Slow start and window; without it only losses' delays count. */
  readonly tcp: boolean;
}

/**
 * One direction of a TCP connection as the exchange feels it: how much may be under way (slow start from ten
 * segments, CUBIC's growth, the cut after a loss, the restart after a pause), and how late bytes come when a
 * segment before them was lost. Segments are not simulated one by one: a piece is lost with the chance that one of
 * its segments is, and then arrives a round trip later, with all that follows it waiting, as TCP delivers in order.
 */
export class TcpPipe {
  readonly #path: PathModel;
  readonly #rttMs: number;
  readonly #rng: Rng;
  #window = INITIAL_WINDOW;
  #threshold = Infinity;
  /** The window before the last cut, and when that was: what CUBIC grows towards. */
  #peak = 0;
  #cutAtMs = -Infinity;
  #inFlight = 0;
  /** When the last piece or message was sent. */
  #sentAtMs = 0;
  #arrivedAtMs = 0;
  /** Bytes sent and acknowledged, ever. */
  #sent = 0;
  #acked = 0;
  /** Whether the window held something back in this round, the most that was under way, and where the round ends. */
  #isFull = false;
  #most = 0;
  #roundEnd = 0;
  /** Since when the window has not been full, and the most that was under way since then. */
  #slackAtMs = 0;
  #used = 0;

  constructor(path: PathModel, rttMs: number, rng: Rng) {
    this.#path = path;
    this.#rttMs = rttMs;
    this.#rng = rng;
  }

  /** Whether a piece may be handed to the path now. At least one always may be under way. */
  canSend(nowMs: number, bytes: number): boolean {
    if (!this.#path.tcp || this.#inFlight === 0) return true;
    if (this.#inFlight + bytes <= Math.max(this.#window, bytes)) return true;
    this.#isFull = true;
    this.#newRound();
    this.#validate(nowMs);
    return false;
  }

  /** A piece has left the uplink. @returns when it arrives, in order */
  send(nowMs: number, bytes: number): number {
    this.#restart(nowMs);
    this.#inFlight += bytes;
    this.#sent += bytes;
    this.#validate(nowMs);
    this.#sentAtMs = nowMs;
    let atMs = nowMs + this.#rttMs / 2;
    if (this.#path.loss > 0 && this.#rng() < 1 - (1 - this.#path.loss) ** Math.ceil(bytes / SEGMENT_BYTES)) {
      atMs += this.#rttMs;
      this.#cut(nowMs);
    }
    return this.#inOrder(atMs);
  }

  /** A message of control: small, so it needs no window; lost, it waits for a probe after two round trips (RFC 8985). */
  sendSmall(nowMs: number): number {
    this.#restart(nowMs);
    this.#validate(nowMs);
    this.#sentAtMs = nowMs;
    let atMs = nowMs + this.#rttMs / 2;
    if (this.#path.loss > 0 && this.#rng() < this.#path.loss) atMs += Math.max(2 * this.#rttMs, 10);
    return this.#inOrder(atMs);
  }

  /** A piece was acknowledged. */
  acked(nowMs: number, bytes: number): void {
    this.#inFlight -= bytes;
    this.#acked += bytes;
    if (!this.#path.tcp || !this.#isLimited) return;
    if (this.#window < this.#threshold) this.#window += bytes;
    else
      this.#window = Math.max(
        this.#window,
        this.#cubic(nowMs),
        this.#window + (0.5 * SEGMENT_BYTES * bytes) / this.#window,
      );
    this.#window = Math.min(this.#window, MAX_WINDOW);
  }

  /** Nothing passed for a while: what waited is sent again after a time-out that has grown with the wait. */
  stalled(nowMs: number, forMs: number): number {
    return this.#inOrder(nowMs + this.#rttMs / 2 + Math.max(MIN_RTO_VARIANCE_MS, forMs) * this.#rng());
  }

  #inOrder(atMs: number): number {
    this.#arrivedAtMs = Math.max(this.#arrivedAtMs, atMs);
    return this.#arrivedAtMs;
  }

  #cut(nowMs: number): void {
    if (nowMs - this.#cutAtMs < this.#rttMs) return;
    this.#cutAtMs = nowMs;
    this.#peak = this.#window;
    this.#window = Math.max(2 * SEGMENT_BYTES, this.#window * BETA);
    this.#threshold = this.#window;
  }

  #cubic(nowMs: number): number {
    if (this.#cutAtMs === -Infinity) return 0;
    const toPeak = Math.cbrt((this.#peak / SEGMENT_BYTES) * ((1 - BETA) / CUBIC_C));
    const sinceSec = (nowMs - this.#cutAtMs) / 1000;
    return CUBIC_C * (sinceSec - toPeak) ** 3 * SEGMENT_BYTES + this.#peak;
  }

  get #rtoMs(): number {
    return this.#rttMs + MIN_RTO_VARIANCE_MS;
  }

  /** The window is what holds the sender back; slow start goes on where half of it is used (`tcp_is_cwnd_limited`). */
  get #isLimited(): boolean {
    if (this.#isFull) return true;
    return this.#window < this.#threshold && this.#window < 2 * this.#most;
  }

  #newRound(): void {
    this.#most = this.#inFlight;
    this.#roundEnd = this.#sent;
  }

  /** Of a window that was not full for a time-out's length half of what was not used goes (`tcp_cwnd_validate`, RFC 2861). */
  #validate(nowMs: number): void {
    if (this.#acked >= this.#roundEnd) {
      this.#isFull = false;
      this.#newRound();
    } else if (!this.#isFull && this.#inFlight > this.#most) this.#newRound();
    if (this.#isLimited) {
      this.#used = 0;
      this.#slackAtMs = nowMs;
      return;
    }
    this.#used = Math.max(this.#used, this.#inFlight);
    if (nowMs - this.#slackAtMs < this.#rtoMs) return;
    const used = Math.max(this.#used, INITIAL_WINDOW);
    if (used < this.#window) {
      this.#keepThreshold();
      this.#window = (this.#window + used) / 2;
    }
    this.#used = 0;
    this.#slackAtMs = nowMs;
  }

  /** The window halves for each time-out's length without sending, down to the first window (`tcp_cwnd_restart`). */
  #restart(nowMs: number): void {
    const idle = Math.floor((nowMs - this.#sentAtMs) / this.#rtoMs);
    if (this.#inFlight > 0 || idle <= 0) return;
    this.#used = 0;
    this.#slackAtMs = nowMs;
    if (this.#window <= INITIAL_WINDOW) return;
    this.#keepThreshold();
    this.#window = Math.max(INITIAL_WINDOW, this.#window / 2 ** idle);
  }

  /** Slow start leads back to where the window was, nearly; without a loss ever it has no end (`tcp_current_ssthresh`). */
  #keepThreshold(): void {
    this.#threshold = Math.max(this.#threshold, 0.75 * this.#window);
  }
}
