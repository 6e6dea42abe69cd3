/** In a page: holds the places for chunks that only browsers have to their contract. */
import { IndexedChunks } from '../../src/browser-store/indexed-chunks.ts';
import { OpfsChunks } from '../../src/browser-store/opfs-chunks.ts';
import { PageDatabase } from '../../src/browser-store/page-database.ts';
import type { ChunkSpace } from '../../src/browser-store/chunk-space.ts';
import { CHUNK_SPACE_CONTRACT } from '../contracts/chunk-space-contract.ts';

/** Opens it as a new page would, after an old one went without closing anything. */
async function openSpace(kind: 'opfs' | 'indexeddb', leave: (() => void)[]): Promise<ChunkSpace> {
  for (const each of leave.splice(0)) each();
  if (kind === 'opfs') {
    const files = await OpfsChunks.start();
    leave.push(() => void files.close());
    return files;
  }
  const db = await PageDatabase.open();
  leave.push(() => void db.close());
  return new IndexedChunks(db);
}

/** @throws where it does not hold */
export async function holds(kind: 'opfs' | 'indexeddb', title: string): Promise<void> {
  const leave: (() => void)[] = [];
  try {
    await CHUNK_SPACE_CONTRACT[title]?.(() => openSpace(kind, leave));
  } finally {
    for (const each of leave) each();
  }
}
