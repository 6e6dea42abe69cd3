/** In a page: holds the places for chunks that only browsers have to their contract. */
import { IndexedChunks } from '../../src/browser-store/indexed-chunks.ts';
import { OpfsChunks } from '../../src/browser-store/opfs-chunks.ts';
import { PageDatabase } from '../../src/browser-store/page-database.ts';
import type { ShoalError } from '../../src/errors.ts';
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

/** What the page's database answers before and after the browser ends its connection. */
export async function loseConnection(): Promise<string[]> {
  const { open } = IDBFactory.prototype;
  let connection: IDBDatabase | undefined;
  IDBFactory.prototype.open = function (...args) {
    const opening = open.apply(this, args);
    opening.addEventListener('success', () => (connection = opening.result));
    return opening;
  };
  const db = await PageDatabase.open();
  try {
    await db.putSetting('a', Uint8Array.of(1));
    const answers = [String(await db.getSetting('a'))];
    // What browsers do: the connection is closed, and tells of it.
    connection?.close();
    connection?.dispatchEvent(new Event('close'));
    answers.push(String(await db.getSetting('a')));
    await db.putSetting('a', Uint8Array.of(2));
    answers.push(String(await db.getSetting('a')));
    return answers;
  } finally {
    IDBFactory.prototype.open = open;
    await db.close();
  }
}

/**
 * Keeps a setting, has the site's data deleted, keeps another and reads a node.
 *
 * @param clear by the browser; undefined: by a script of the site
 * @returns what both failed with, what is there then, and what reading fails with when it was closed
 */
export async function loseData(
  clear?: () => Promise<void>,
): Promise<{ failures: string[]; names: string[]; whenClosed: string }> {
  const db = await PageDatabase.open();
  await db.putSetting('a', Uint8Array.of(1));
  if (clear) await clear();
  else await deleteDatabase();
  const failures = [
    await failureOf(db.putSetting('a', Uint8Array.of(2))),
    await failureOf(db.getNode('root', 'node')),
  ];
  const names = (await indexedDB.databases()).map(({ name }) => String(name));
  await db.close();
  return { failures, names, whenClosed: await failureOf(db.getNode('root', 'node')) };
}

async function deleteDatabase(): Promise<void> {
  const deleting = indexedDB.deleteDatabase('shoal');
  await new Promise((resolve, reject) => {
    deleting.addEventListener('success', resolve);
    deleting.addEventListener('error', reject);
  });
}

/** The code of what it fails with, and whether it says what helps. */
async function failureOf(task: Promise<unknown>): Promise<string> {
  try {
    await task;
    return 'none';
  } catch (error) {
    const { code, message } = error as Partial<ShoalError>;
    return `${code}${message?.endsWith('open the page anew') ? ', open the page anew' : ''}`;
  }
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
