import { importTree } from '../../src/chunking/import-tree.ts';
import type { ImportedTree } from '../../src/chunking/import-tree.ts';
import { DagWalk } from '../../src/integrity/dag-walk.ts';
import type { WalkLimits } from '../../src/integrity/limits.ts';
import type { Manifest } from '../../src/integrity/manifest.ts';
import type { CID } from 'multiformats/cid';
import { sourceOf } from '../chunking/sources.ts';
import type { Tree } from '../chunking/sources.ts';

/** An asset in memory: its root and interior nodes by CID (a root that is a leaf among them). */
export interface MemoryDag {
  root: CID;
  nodes: Map<string, Uint8Array>;
}

/** Imports `content`. */
export async function dagOf(
  content: Tree[string],
  chunkSize?: number,
): Promise<MemoryDag & { imported: ImportedTree }> {
  const nodes = new Map<string, Uint8Array>();
  const imported = await importTree(sourceOf(content), {
    chunkSize,
    onNode: (cid, bytes) => void nodes.set(cid.toString(), bytes),
  });
  if (imported.cid.code === 0x55) nodes.set(imported.cid.toString(), content as Uint8Array);
  return { root: imported.cid, nodes, imported };
}

/** Walks a DAG to its end, adding the nodes of each batch in the order that `pick` chooses. */
export async function walk(
  { root, nodes }: MemoryDag,
  options: { limits?: Partial<WalkLimits>; batch?: number; pick?: (wanted: CID[]) => CID[] } = {},
): Promise<Manifest> {
  const dagWalk = new DagWalk(root, options.limits);
  while (!dagWalk.done) {
    const wanted = dagWalk.needs(options.batch ?? 16);
    for (const cid of options.pick?.(wanted) ?? wanted) {
      const bytes = nodes.get(cid.toString());
      if (!bytes) throw new Error(`${cid.toString()} is not there`);
      const result = await dagWalk.add(cid, bytes);
      if (result !== 'ok') throw new Error(`${cid.toString()} is ${result}`);
    }
  }
  return dagWalk.manifest();
}
