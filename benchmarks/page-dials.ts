/** `npm run bench:dials`: see `USAGE`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Plugin } from 'esbuild';
import type { Page } from 'playwright-core';
import type * as shoalOfPage from '../src/browser.ts';
import { createShoal } from '../src/index.ts';
import { BrowserRig, findChromium } from '../test/browser/chromium.ts';
import { Recorder } from './result.ts';

declare const shoal: typeof shoalOfPage;
declare global {
  /** The node that is dialled. */
  var dialled: shoalOfPage.PageShoal;
}

const USAGE = `npm run bench:dials -- [options]

One page dials another over WebRTC, through a relay on this machine, again and again: how many dials succeed, and how
long they take; with the transport of \`@libp2p/webrtc\` as it is, and with ours around it.

  --count N     dials of each (default: 100)
  --parallel N  at a time (default: 4)
  --json FILE   where the result goes (default: benchmarks/results)
`;

/** As it is: what `src/node/webrtc-transport.ts` would be without its reason to be. */
const stock: Plugin = {
  name: 'stock-webrtc',
  setup(building) {
    building.onLoad({ filter: /[\\/]src[\\/]node[\\/]webrtc-transport\.ts$/ }, () => ({
      contents:
        "import { webRTC } from '@libp2p/webrtc'; export const webRtcTransport = () => webRTC({ rtcConfiguration: () => ({ iceServers: [] }) });",
      resolveDir: join(import.meta.dirname, '../src/node'),
    }));
  },
};

interface Outcome {
  /** Of those that succeeded. */
  times: number[];
  failures: Record<string, number>;
}

/** Dials from nodes made anew, `parallel` at a time, each of which has to meet the relay first. */
async function dialAgain(page: Page, address: string, count: number, parallel: number): Promise<Outcome> {
  const results: { ms: number; failure: string | undefined }[] = [];
  const one = async (): Promise<void> => {
    while (results.length < count) {
      const slot = results.push({ ms: 0, failure: 'never came back' }) - 1;
      results[slot] = await page.evaluate(async (address) => {
        const node = await shoal.createShoal({ network: 'bench', storage: 'memory' });
        const [relay = ''] = address.split('/p2p-circuit');
        await node.connect(relay);
        const startedMs = performance.now();
        let failure: string | undefined;
        await node.connect(address).catch((error: unknown) => void (failure = String(error).slice(-60)));
        const ms = performance.now() - startedMs;
        await node.close();
        return { ms, failure };
      }, address);
    }
  };
  await Promise.all(Array.from({ length: parallel }, one));
  const times = results.flatMap(({ ms, failure }) => (failure === undefined ? [ms] : []));
  const failures: Record<string, number> = {};
  for (const { failure } of results) if (failure) failures[failure] = (failures[failure] ?? 0) + 1;
  return { times, failures };
}

async function measure(
  chromium: string,
  plugins: Plugin[],
  count: number,
  parallel: number,
): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-dials-'));
  try {
    await using rig = await BrowserRig.start(chromium, plugins);
    await using relay = await createShoal({
      dataDir: folder,
      network: 'bench',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      web: true,
      mdns: false,
      dht: false,
    });
    const direct = relay.addresses.find((each) => each.includes('/webrtc-direct/')) ?? '';
    const [to, from] = [await rig.page(), await rig.page()];
    const address = await to.evaluate(async (direct) => {
      globalThis.dialled = await shoal.createShoal({ network: 'bench', storage: 'memory', peers: [direct] });
      while (globalThis.dialled.addresses.length === 0) {
        await new Promise((resolve) =>
          globalThis.dialled.addEventListener('addresses:change', resolve, { once: true }),
        );
      }
      return globalThis.dialled.addresses[0] ?? '';
    }, direct);
    const outcome = await dialAgain(from, address, count, parallel);
    await Promise.all([to, from].map((page) => page.context().close()));
    return outcome;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100' },
    parallel: { type: 'string', default: '4' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit();
}
const chromium = findChromium();
if (chromium === undefined) throw new Error('no Chromium found: install it, or name it in $CHROMIUM');
const [count, parallel] = [Number(values.count), Number(values.parallel)];
const bare = await measure(chromium, [stock], count, parallel);
const ours = await measure(chromium, [], count, parallel);
process.stdout.write(
  `failed, stock: ${JSON.stringify(bare.failures)}, ours: ${JSON.stringify(ours.failures)}\n`,
);
const recorder = new Recorder();
recorder.add({
  name: `page to page, dials that succeed of ${count}`,
  unit: 'dials',
  better: 'more',
  values: [ours.times.length],
  asked: count,
  bound: { name: 'the stock transport', values: [bare.times.length] },
});
recorder.add({
  name: 'page to page, a dial',
  unit: 'ms',
  better: 'less',
  values: ours.times,
  bound: { name: 'the stock transport', values: bare.times },
});
recorder.write('dials', values.json);
// Native WebRTC holds the process for minutes now and then.
process.exit();
