import type { AssetSwarm } from './asset-swarm.ts';

/** Looked at so often; the speed is smoothed over four looks. */
const LOOK_MS = 500;
const SMOOTHING = 0.25;

/**
 * How long the neighbours will need for what they lack, at the speed at which they get it. What is far ahead may wait in
 * a long queue; near the end a queue is what the last ones wait for.
 */
export class TimeLeft {
  /** Of the asset that needs longest; Infinity: not known. */
  ms = Infinity;
  #lookedAtMs = 0;

  look(nowMs: number, assets: Iterable<AssetSwarm>): void {
    const sinceMs = nowMs - this.#lookedAtMs;
    if (sinceMs < LOOK_MS) return;
    this.#lookedAtMs = nowMs;
    this.ms = 0;
    for (const swarm of assets) {
      swarm.gainsPerSec += SMOOTHING * ((swarm.gains * 1000) / sinceMs - swarm.gainsPerSec);
      swarm.gains = 0;
      const lacked = lackedIn(swarm);
      if (lacked > 0) this.ms = Math.max(this.ms, (lacked * 1000) / swarm.gainsPerSec);
    }
  }
}

/** Chunks that members lack, over all of them. */
function lackedIn(swarm: AssetSwarm): number {
  let lacked = 0;
  for (const { have } of swarm.members.values()) {
    if (have) lacked += have.size - have.count;
  }
  return lacked;
}
