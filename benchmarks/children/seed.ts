/**
 * Shares a file and serves it until told to stop. argv: path, data folder, `web` to serve pages, most bytes a second that
 * it uploads, and after how many bytes it dies as by `kill -9`.
 */
import { createShoal } from 'shoal';
import { answerStop, isReady, tell } from './child.ts';

const [path = '', dataDir = '', web, rate, lastByte] = process.argv.slice(2);
const listen = ['/ip4/127.0.0.1/tcp/0'];
const uploadBytesPerSec = rate === undefined ? undefined : Number(rate);
const shoal = await createShoal({
  dataDir,
  listen,
  web: web === 'web',
  mdns: false,
  dht: false,
  ...(uploadBytesPerSec && { uploadBytesPerSec }),
});
let uploaded = 0;
shoal.addEventListener('asset:upload', ({ detail }) => {
  uploaded += detail.bytes;
  if (lastByte !== undefined && uploaded >= Number(lastByte)) process.kill(process.pid, 'SIGKILL');
});
const started = performance.now();
const { link } = await shoal.share(path);
isReady();
tell({ link, shareMs: performance.now() - started });
await answerStop(() => shoal.close());
