import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from './network.ts';
import type { Member } from './plan.ts';
import type { Running, RunningPeer, Session } from './system.ts';

/** A peer on the test bed with its life: joins, is killed and comes back, finishes. */
export class CrowdPeer {
  readonly member: Member;
  readonly host: Host;
  readonly path: string;
  /** Milliseconds of `performance.now()`. */
  finishedAt: number | undefined;
  failure: string | undefined;
  /** Resolves when it has finished, or never will. */
  readonly over: Promise<void>;
  readonly #session: Session;
  #settle: () => void = () => {};
  #running: RunningPeer | undefined;

  constructor(member: Member, host: Host, session: Session) {
    this.member = member;
    this.host = host;
    this.#session = session;
    const folder = join(host.folder, 'download');
    mkdirSync(folder, { recursive: true });
    this.path = join(folder, 'file');
    this.over = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /** Starts its process and watches it. */
  async start(): Promise<void> {
    const freeRider = this.member.group.strategy === 'free-rider';
    const running = await this.#session.startPeer(this.host, { path: this.path, freeRider });
    this.#running = running;
    running.finished.then(
      () => this.#finish(running),
      (error: unknown) => {
        // What was killed on purpose has been replaced, or is about to be.
        if (this.#running === running) this.#fail(error);
      },
    );
  }

  /** From here on it fetches. @param known the origin first */
  go(known: readonly Host[]): void {
    this.#running?.go(known);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running?.kill();
  }

  #finish(running: RunningPeer): void {
    if (this.#running !== running) return;
    this.finishedAt = performance.now();
    this.#settle();
    if (this.member.group.leavesWhenDone) void this.kill();
  }

  #fail(error: unknown): void {
    this.failure = error instanceof Error ? error.message : String(error);
    this.#settle();
  }
}

/**
 * Kills a peer and brings it back, as its group's churn says, until it has finished or the run is over.
 * @param random draws evenly from 0 to 1
 */
export async function churn(
  peer: CrowdPeer,
  known: readonly Host[],
  random: () => number,
  sleep: (sec: number) => Promise<void>,
): Promise<void> {
  const { churn: rhythm } = peer.member.group;
  if (!rhythm) return;
  const drawn = (meanSec: number): number => -Math.log(1 - random()) * meanSec;
  for (;;) {
    await sleep(drawn(rhythm.upSec));
    if (peer.finishedAt !== undefined || peer.failure !== undefined) return;
    await peer.kill();
    await sleep(drawn(rhythm.downSec));
    await peer.start();
    peer.go(known);
  }
}

/** Starts whoever has the content from the beginning. */
export async function startSources(
  sources: readonly { member: Member; host: Host }[],
  session: Session,
): Promise<Running[]> {
  const running: Running[] = [];
  // One after another, since a second origin shares what the first one made.
  for (const { host } of sources) running.push(await session.startOrigin(host));
  return running;
}
