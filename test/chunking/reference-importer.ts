import { importer } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import type { Tree } from './sources.ts';

/** What `ipfs-unixfs-importer` gives: the root's CID, and the interior nodes by CID. */
export interface Reference {
  cid: string;
  size: number;
  nodes: Map<string, Uint8Array>;
}

interface ReferenceOptions {
  chunkSize: number;
  linksPerNode?: number;
}

/** Imports a file or a directory with `ipfs-unixfs-importer`, in the profile unixfs-v1-2025 but for the chunk size. */
export async function reference(content: Uint8Array | Tree, options: ReferenceOptions): Promise<Reference> {
  const nodes = new Map<string, Uint8Array>();
  const store = {
    put: async (cid: any, bytes: any) => {
      if (cid.code === 0x70) nodes.set(cid.toString(), bytes);
      return cid;
    },
  };
  const candidates = content instanceof Uint8Array ? [{ content }] : flatten(content, 'root');
  let last: { cid: string; size: number } | undefined;
  for await (const entry of importer(candidates as any, store as any, {
    profile: 'unixfs-v1-2025',
    chunker: fixedSize({ chunkSize: options.chunkSize }),
    layout: balanced({ maxChildrenPerNode: options.linksPerNode ?? 1024 }),
  })) {
    last = { cid: entry.cid.toString(), size: Number(entry.size) };
  }
  if (!last) throw new Error('nothing imported');
  return { ...last, nodes };
}

function* flatten(tree: Tree, path: string): Generator<object> {
  yield { path };
  for (const [name, child] of Object.entries(tree)) {
    const childPath = `${path}/${name}`;
    if (child instanceof Uint8Array) yield { path: childPath, content: child };
    else if (typeof child === 'string') yield { path: childPath, link: child };
    else yield* flatten(child, childPath);
  }
}
