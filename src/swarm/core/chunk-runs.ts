import type { AssetSwarm } from './asset-swarm.ts';
import type { ChunkRun } from './messages.ts';

/** In the order of choice, so that urgent chunks stay first; neighbours merge. */
export function addToRuns(picked: Map<AssetSwarm, ChunkRun[]>, swarm: AssetSwarm, chunk: number): void {
  const runs = picked.get(swarm);
  if (!runs) {
    picked.set(swarm, [{ from: chunk, count: 1 }]);
    return;
  }
  const last = runs[runs.length - 1] as ChunkRun;
  if (last.from + last.count === chunk) last.count++;
  else runs.push({ from: chunk, count: 1 });
}
