import { MemoryBudget, MemoryChunks } from '../../src/browser-store/memory-chunks.ts';
import { CHUNK_SPACE_CONTRACT } from '../contracts/chunk-space-contract.ts';

describe('memory as a place for chunks', () => {
  for (const [title, run] of Object.entries(CHUNK_SPACE_CONTRACT)) {
    it(title, async () => {
      const space = new MemoryChunks(new MemoryBudget(1 << 20));
      await run(async () => space);
    });
  }
});
