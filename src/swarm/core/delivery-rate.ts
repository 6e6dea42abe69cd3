/** Samples are kept this long: the rate is the best of the last second or so (BBR keeps ten round trips). */
const WINDOW_MS = 1000;

/** Faster than this the clock, not the link, would be measured. */
const MIN_INTERVAL_MS = 0.1;

/** Rounds without a quarter more rate after which the start is over (BBR's figures). */
const FULL_ROUNDS = 3;
const GROWTH = 1.25;

/** The look-ahead is this much longer during the start, so that the rate can double each round. */
const START_GAIN = 2;

/**
 * An uplink that once was so much faster is tried anew, as at the start, every so often: where everybody is late for want of
 * CPU time, one chunk after another goes out, each looks like a slow uplink, and nothing else would ever be tried.
 */
const FALLEN = 1 / 4;
const RETRY_MS = 2000;

/** With as much under way as the link delivers in this time it has enough to do, whatever else there is to send. */
const PLENTY_SEC = 0.3;

/** What is noted when bytes are handed to the uplink, and needed again when they are acknowledged. */
export interface SendStamp {
  /** Bytes acknowledged so far, and when the last of them were. */
  readonly delivered: number;
  readonly deliveredAtMs: number;
  /** Sent while there was too little to send: it shows the demand, not the link. */
  readonly starved: boolean;
}

/**
 * How fast a link delivers, from acknowledgements alone: a socket that takes bytes says nothing about the
 * receiver. Each acknowledgement gives a sample, the bytes delivered since its chunk was sent over the time
 * since; the rate is the largest sample of the last second. Samples of a starved link count only where they
 * raise the rate, or a queue stands before it. After BBR (Cardwell et al. 2016), which does this for each packet.
 */
export class DeliveryRate {
  /** What a sample covers at least, once the start is over, of an uplink: chunks are large, and acknowledgements bunch. 0: of one peer. */
  readonly #sampleMs: number;
  /** When how much had been delivered, since the link last rested, oldest first. */
  #marks: { atMs: number; delivered: number }[] = [];
  #delivered = 0;
  #deliveredAtMs = 0;
  #inFlight = 0;
  /** Samples, the largest first and each later one smaller: the first is the windowed maximum. */
  readonly #samples: { atMs: number; rate: number }[] = [];
  #bytesPerSec = 0;
  #starting = true;
  #roundStart = 0;
  #roundBase = 0;
  #flatRounds = 0;
  /** The best rate that was ever measured, and when a start was last over. */
  #best = 0;
  #startedAtMs = 0;

  constructor(sampleMs = 0) {
    this.#sampleMs = sampleMs;
  }

  /** Bytes per second, 0 while nothing was measured. */
  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }

  /** The best that was ever measured. */
  get bestBytesPerSec(): number {
    return Math.max(this.#best, this.bytesPerSec);
  }

  /** Whether the rate still grows fast, as far as is known. */
  get isStarting(): boolean {
    return this.#starting;
  }

  /** 2 while the rate still grows fast, then 1. */
  get gain(): number {
    return this.#starting ? START_GAIN : 1;
  }

  /** Handed to the link and not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlight;
  }

  /** `bytes` are handed to the link. */
  sent(nowMs: number, bytes: number, starved: boolean): SendStamp {
    if (this.#inFlight === 0) {
      this.#deliveredAtMs = nowMs;
      if (this.#sampleMs > 0) this.#marks = [{ atMs: nowMs, delivered: this.#delivered }];
    }
    this.#inFlight += bytes;
    const isFull = this.#inFlight > this.bytesPerSec * PLENTY_SEC;
    return {
      delivered: this.#delivered,
      deliveredAtMs: this.#deliveredAtMs,
      starved: starved && !isFull,
    };
  }

  /**
   * `bytes` are acknowledged, the last of them of the chunk that `stamp` was made for.
   *
   * @param mayRise whether the link may be faster than it seems: no queue stands before it. Where one does, it is not starved
   */
  acked(nowMs: number, bytes: number, stamp: SendStamp, mayRise = true): void {
    this.#inFlight = Math.max(0, this.#inFlight - bytes);
    this.#delivered += bytes;
    this.#deliveredAtMs = nowMs;
    const since = this.#since(nowMs, stamp);
    const intervalMs = Math.max(nowMs - since.atMs, MIN_INTERVAL_MS);
    const rate = ((this.#delivered - since.delivered) * 1000) / intervalMs;
    if (stamp.starved && mayRise && rate < this.bytesPerSec) return;
    this.#note(nowMs, rate);
    if (this.#sampleMs > 0 && mayRise) this.#watchFall(nowMs);
    if (this.#starting && stamp.delivered >= this.#roundStart) this.#endRound(nowMs);
  }

  /** A queue has built up before the link: what it delivers is known now. After HyStart (Ha and Rhee, 2011). */
  endStart(nowMs: number): void {
    if (!this.#starting) return;
    this.#starting = false;
    this.#startedAtMs = nowMs;
  }

  /** `bytes` will never be acknowledged: dropped before they were sent, or the peer is gone. */
  forget(bytes: number): void {
    this.#inFlight = Math.max(0, this.#inFlight - bytes);
  }

  /** Where the sample begins: with the chunk that was acknowledged, or earlier where that was a moment ago. */
  #since(nowMs: number, stamp: SendStamp): { atMs: number; delivered: number } {
    const own = { atMs: stamp.deliveredAtMs, delivered: stamp.delivered };
    if (this.#sampleMs === 0) return own;
    const marks = this.#marks;
    marks.push({ atMs: nowMs, delivered: this.#delivered });
    while (marks.length > 2 && (marks[1] as { atMs: number }).atMs <= nowMs - this.#sampleMs) marks.shift();
    const first = marks[0] as { atMs: number; delivered: number };
    return this.#starting || first.atMs >= own.atMs ? own : first;
  }

  #note(nowMs: number, rate: number): void {
    const samples = this.#samples;
    while (samples.length > 0 && (samples.at(-1) as { rate: number }).rate <= rate) samples.pop();
    samples.push({ atMs: nowMs, rate });
    while ((samples[0] as { atMs: number }).atMs < nowMs - WINDOW_MS) samples.shift();
    this.#bytesPerSec = (samples[0] as { rate: number }).rate;
  }

  /** A round is over when something sent after its beginning has been acknowledged. */
  #endRound(nowMs: number): void {
    this.#roundStart = this.#delivered;
    const rate = this.bytesPerSec;
    if (rate >= this.#roundBase * GROWTH) {
      this.#roundBase = rate;
      this.#flatRounds = 0;
    } else if (++this.#flatRounds >= FULL_ROUNDS) this.endStart(nowMs);
  }

  #watchFall(nowMs: number): void {
    this.#best = Math.max(this.#best, this.bytesPerSec);
    if (this.#starting || this.bytesPerSec > FALLEN * this.#best || nowMs - this.#startedAtMs < RETRY_MS)
      return;
    this.startAnew();
  }

  /** The link may be far faster than it was: its rate is to grow as at the start. */
  startAnew(): void {
    this.#starting = true;
    this.#roundStart = this.#delivered;
    this.#roundBase = this.bytesPerSec;
    this.#flatRounds = 0;
  }
}
