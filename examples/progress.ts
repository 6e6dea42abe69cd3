/**
 * A download with its progress in the terminal: percent, speed, and who gives how much.
 *
 *     node examples/progress.ts [LINK] [TARGET]   # without a link: a file of its own, from a second node
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createShoal, type Progress } from 'shoal';

/** Whoever wrote the link wrote the name: one that leads out of the folder, or is hidden or no name everywhere, is left. */
function plainName(name = ''): string | undefined {
  const last = basename(name);
  return /^\.|[\\<>:"|?*\p{Cc}]|[. ]$/u.test(last) || last === '' ? undefined : last;
}

/** One line of text about a download. */
function describeProgress({ bytes, total, bytesPerSec, peers, sources }: Progress): string {
  const percent = total === 0 ? 100 : Math.floor((bytes / total) * 100);
  const givers = sources.map((source) => `…${source.peer.slice(-6)} ${source.bytes}`).join(', ');
  return `${percent} %  ${(bytesPerSec / 1e6).toFixed(1)} MB/s  ${peers} peer(s)  ${givers}`;
}

/** On a terminal the line is drawn again and again; elsewhere each tenth of the way is a line. */
function progressPrinter(): (progress: Progress) => void {
  let tenth = -1;
  return (progress) => {
    if (process.stdout.isTTY) process.stdout.write(`\r${describeProgress(progress)}\u001b[K`);
    else if (Math.floor((progress.bytes / progress.total) * 10) !== tenth) {
      tenth = Math.floor((progress.bytes / progress.total) * 10);
      console.log(describeProgress(progress));
    }
  };
}

const folder = await mkdtemp(join(tmpdir(), 'shoal-progress-'));
try {
  const options = { listen: ['/ip4/127.0.0.1/tcp/0'], network: 'example', mdns: false };
  await using other = await createShoal({
    ...options,
    dataDir: join(folder, 'other'),
    uploadBytesPerSec: 8_000_000,
  });
  const link = process.argv[2] ?? (await other.share(randomBytes(8_000_000), { name: 'random.bin' })).link;
  await using shoal = await createShoal({
    ...options,
    dataDir: join(folder, 'data'),
    network: process.argv[2] ? 'main' : 'example',
  });
  await using asset = await shoal.open(link);
  const name = plainName(asset.name) ?? asset.cid;
  const target = process.argv[3] ?? (process.argv[2] ? name : join(folder, 'copy.bin'));
  const saved = await asset.save(target, { onProgress: progressPrinter() });
  console.log(`\nsaved ${saved.bytes} bytes in ${(saved.durationMs / 1000).toFixed(1)} s`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
