/** Connections that begin at a time: some kilobytes and a thread's time each. */
export const MAX_PENDING = 200;

/**
 * Of one host: a class behind one NAT opens a link at once, and twenty pages on a busy machine take many seconds over each
 * of their dials, some of which go on at this end when the page has given them up.
 */
export const MAX_PENDING_OF_HOST = 100;

/**
 * Connections that somebody has called for, and nobody has proved anything on. Over WebRTC a packet of UDP makes one, with threads
 * and memory of native code, and its sender's address may be anybody's: libp2p's own limits come later.
 */
export class PendingConnections {
  readonly #ofHost = new Map<string, number>();
  #count = 0;

  /** Takes leave for one, to be disposed of when it is made or has failed; undefined: not now. */
  take(host: string): Disposable | undefined {
    const own = this.#ofHost.get(host) ?? 0;
    if (this.#count >= MAX_PENDING || own >= MAX_PENDING_OF_HOST) return undefined;
    this.#count++;
    this.#ofHost.set(host, own + 1);
    return { [Symbol.dispose]: () => this.#give(host) };
  }

  #give(host: string): void {
    this.#count--;
    const left = (this.#ofHost.get(host) ?? 0) - 1;
    if (left > 0) this.#ofHost.set(host, left);
    else this.#ofHost.delete(host);
  }
}
