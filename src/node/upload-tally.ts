import { letExit } from '../swarm/let-exit.ts';

/** How often uploads are told of: an event for each chunk would cost more than it tells. */
const REPORT_INTERVAL_MS = 250;

/** Sums uploads by asset and peer, and reports the sums now and then. */
export class UploadTally {
  readonly #report: (cid: string, peer: string, bytes: number) => void;
  readonly #sums = new Map<string, { cid: string; peer: string; bytes: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(report: (cid: string, peer: string, bytes: number) => void) {
    this.#report = report;
  }

  add(cid: string, peer: string, bytes: number): void {
    const key = `${cid} ${peer}`;
    const sum = this.#sums.get(key) ?? { cid, peer, bytes: 0 };
    sum.bytes += bytes;
    this.#sums.set(key, sum);
    if (this.#timer) return;
    this.#timer = setTimeout(() => this.flush(), REPORT_INTERVAL_MS);
    letExit(this.#timer);
  }

  /** Reports what is summed, now. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { cid, peer, bytes } of this.#sums.values()) this.#report(cid, peer, bytes);
    this.#sums.clear();
  }
}
