/** Shares a file and serves it until told to stop. argv: path, data folder, `web` to serve pages. */
import { createShoal } from 'shoal';
import { answerStop, isReady, tell } from './child.ts';

const [path = '', dataDir = '', web] = process.argv.slice(2);
const listen = ['/ip4/127.0.0.1/tcp/0'];
const shoal = await createShoal({ dataDir, listen, web: web === 'web', mdns: false, dht: false });
const started = performance.now();
const { link } = await shoal.share(path);
isReady();
tell({ link, shareMs: performance.now() - started });
await answerStop(() => shoal.close());
