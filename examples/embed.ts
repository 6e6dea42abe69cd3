/**
 * Two nodes in one program: one shares a file, the other opens it and reads a part of it, then all of it. In a
 * real program they are on different machines, and the link travels by mail.
 *
 *     node examples/embed.ts [FILE]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShoal } from 'shoal';

const folder = await mkdtemp(join(tmpdir(), 'shoal-embed-'));
try {
  const file = process.argv[2] ?? join(folder, 'poem.txt');
  if (process.argv[2] === undefined)
    await writeFile(file, 'One fish swims alone; a shoal swims on.\n'.repeat(20_000));

  // On one machine and for a moment: no need to look for peers on the local network.
  const options = { listen: ['/ip4/127.0.0.1/tcp/0'], network: 'example', mdns: false };
  await using publisher = await createShoal({ ...options, dataDir: join(folder, 'publisher') });
  const { link, bytes } = await publisher.share(file);
  console.log(`shared ${bytes} bytes: ${link}`);

  await using reader = await createShoal({ ...options, dataDir: join(folder, 'reader') });
  await using asset = await reader.open(link);
  console.log(`opened a ${asset.type} of ${asset.size} bytes`);

  // A part of it: only the chunks that hold these bytes are fetched.
  for await (const part of asset.stream({ offset: 0, length: 39 })) console.log(Buffer.from(part).toString());

  const saved = await asset.save(join(folder, 'copy'));
  console.log(`saved ${saved.bytes} bytes from ${saved.sources.length} peer(s)`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
