/**
 * Shares what is made on the fly and never was a file: any `AsyncIterable` of bytes is a source. The data folder
 * keeps the content, because nothing else could give it again.
 *
 *     node examples/custom-source.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createShoal } from 'shoal';

/** Readings of a sensor, as lines of CSV: it could be a database export or the answer of a web server. */
async function* readings(count: number): AsyncGenerator<Uint8Array> {
  yield Buffer.from('second,celsius\n');
  for (let second = 0; second < count; second++) {
    yield Buffer.from(`${second},${(20 + 5 * Math.sin(second / 600)).toFixed(3)}\n`);
  }
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-custom-source-'));
try {
  await using shoal = await createShoal({
    dataDir: folder,
    listen: ['/ip4/127.0.0.1/tcp/0'],
    network: 'example',
    mdns: false,
  });
  let reports = 0;
  const { cid, bytes } = await shoal.share(readings(100_000), {
    name: 'readings.csv',
    onProgress: () => reports++,
  });
  console.log(`shared ${bytes} bytes as ${cid}; progress came ${reports} time(s)`);

  await using asset = await shoal.open(cid);
  for await (const part of asset.stream({ length: 30 })) process.stdout.write(part);
  process.stdout.write('\n');
} finally {
  await rm(folder, { recursive: true, force: true });
}
