/** iroh's blobs over QUIC, without discovery. Argument and lines: see pair/package-pair.ts. */
import { onGo, pairConfig, stayUp, tell } from './client.ts';

/** The little of the package that is used here; it is not among the project's own. */
interface Blobs {
  addFromPath(path: string, inPlace: boolean, tag: object, wrap: object, progress: Progress): Promise<void>;
  download(hash: string, options: object, progress: Progress): Promise<void>;
  export(hash: string, path: string, format: 'Blob', mode: 'TryReference'): Promise<void>;
}
type Progress = (error: Error | null, event: { allDone?: { hash?: string } }) => void;
interface NodeAddr {
  nodeId: string;
  addresses?: string[];
}
interface Package {
  Iroh: {
    persistent(
      path: string,
      options: object,
    ): Promise<{ blobs: Blobs; net: { nodeAddr(): Promise<NodeAddr> } }>;
  };
  BlobDownloadOptions: new (format: 'Raw', nodes: NodeAddr[], tag: object) => object;
  SetTagOption: { auto(): object };
}

const { Iroh, BlobDownloadOptions, SetTagOption } = (await import('@number0/iroh' as string)) as Package;

const { role, path, folder } = pairConfig();
const node = await Iroh.persistent(folder, { nodeDiscovery: 'None' });

/** Waits for the end of what reports its progress. @returns the hash that it names then */
async function complete(begin: (progress: Progress) => Promise<void>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  await begin((error, { allDone }) => {
    if (error) reject(error);
    else if (allDone) resolve(allDone.hash ?? '');
  });
  return promise;
}

if (role === 'origin') {
  const hash = await complete((progress) =>
    node.blobs.addFromPath(path, true, SetTagOption.auto(), { wrap: false }, progress),
  );
  const { nodeId, addresses } = await node.net.nodeAddr();
  stayUp();
  tell(`ready ${hash} ${JSON.stringify({ nodeId, addresses })}`);
} else {
  tell('ready');
  onGo(async (contact) => {
    const [hash = '', ...rest] = contact.split(' ');
    const sender = JSON.parse(rest.join(' ')) as NodeAddr;
    const options = new BlobDownloadOptions('Raw', [sender], SetTagOption.auto());
    await complete((progress) => node.blobs.download(hash, options, progress));
    await node.blobs.export(hash, path, 'Blob', 'TryReference');
    tell('done');
  });
}
