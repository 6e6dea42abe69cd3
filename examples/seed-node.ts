/**
 * A node that serves what it is given, until stopped: the heart of a mirror or an office cache.
 *
 *     node examples/seed-node.ts LINK…            # with a data folder of its own; Ctrl-C ends it
 *     node examples/seed-node.ts                  # shows itself with a small file, and ends
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShoal, type Shoal } from 'shoal';

/** Fetches each link whole, and serves it from then on; what an earlier run fetched is served, too. */
async function mirror(shoal: Shoal, links: readonly string[], folder: string): Promise<void> {
  shoal.addEventListener('asset:upload', ({ detail }) =>
    console.log(`sent ${detail.bytes} bytes of ${detail.cid}`),
  );
  shoal.addEventListener('asset:error', ({ detail }) => console.error(`no longer served: ${detail.message}`));
  const { assets } = await shoal.seed();
  console.log(`serving ${assets} asset(s) from before, at ${shoal.addresses.join(' ')}`);
  for (const link of links) {
    await using asset = await shoal.open(link);
    const saved = await asset.save(join(folder, asset.cid), { force: true });
    console.log(`serving ${asset.cid}, ${saved.bytes} bytes`);
  }
}

const links = process.argv.slice(2);
if (links.length > 0) {
  await using shoal = await createShoal({ dataDir: './mirror/data' });
  await mirror(shoal, links, './mirror');
  await new Promise((resolve) => process.once('SIGINT', resolve));
} else {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-seed-node-'));
  try {
    const options = { listen: ['/ip4/127.0.0.1/tcp/0'], network: 'example', mdns: false };
    await using origin = await createShoal({ ...options, dataDir: join(folder, 'origin') });
    await using node = await createShoal({ ...options, dataDir: join(folder, 'node') });
    const { link } = await origin.share(Buffer.from('worth keeping'), { name: 'note.txt' });
    await mirror(node, [link], folder);
    // The origin goes; a reader that knows only the mirror still gets it.
    await origin.close();
    await using reader = await createShoal({
      ...options,
      dataDir: join(folder, 'reader'),
      peers: node.addresses,
    });
    await using asset = await reader.open(link.split('?')[0] ?? link);
    for await (const bytes of asset.stream()) console.log(`a reader got: ${Buffer.from(bytes).toString()}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
