/**
 * A shoal node for the test bed, on the public API. It is up and idle until it is told what to do, which no CLI
 * command can be: `shoal get` begins at once, and starting it at the go signal would count the loading of programs
 * on ten machines that have two processors between them. Everything else is as `shoal get` does it.
 *
 * argv: data folder, then for a free-rider `free-rider`. Talks in lines of JSON:
 *   ← {"ready":{addresses}}
 *   → {"share":{path,chunkSize}}                ← {"shared":{link}}
 *   → {"get":{link,path,peers}}                 ← {"done":{ms}} or {"failed":{message}}
 */
import { createInterface } from 'node:readline';
import { createShoal } from 'shoal';

const [dataDir = '', role = ''] = process.argv.slice(2);

/** There is no option to give nothing, so a free-rider gives next to nothing: a chunk of 64 KiB takes it 18 hours. */
const FREE_RIDER_BYTES_PER_SEC = 1;

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const shoal = await createShoal({
  dataDir,
  listen: ['/ip4/0.0.0.0/tcp/4001'],
  // Neighbours on the bridge would be found before the go signal; the wide networks that are tested have none.
  mdns: false,
  ...(role === 'free-rider' ? { uploadBytesPerSec: FREE_RIDER_BYTES_PER_SEC } : {}),
  log: (level, message) =>
    process.stderr.write(`${(performance.now() / 1000).toFixed(3)} ${level} ${message}\n`),
});

interface Order {
  share?: { path: string; chunkSize?: number };
  get?: { link: string; path: string; peers: string[] };
}

async function get({ link, path, peers }: NonNullable<Order['get']>): Promise<void> {
  const started = performance.now();
  process.stderr.write(`${(started / 1000).toFixed(3)} info go\n`);
  for (const peer of peers)
    shoal.connect(peer).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  try {
    const asset = await shoal.open(link, { timeoutMs: Infinity });
    await asset.save(path, { timeoutMs: Infinity, force: true });
    tell({ done: { ms: performance.now() - started } });
  } catch (error) {
    tell({ failed: { message: error instanceof Error ? error.message : String(error) } });
  }
}

async function obey(order: Order): Promise<void> {
  if (order.share) {
    const { link } = await shoal.share(order.share.path, { chunkSize: order.share.chunkSize });
    tell({ shared: { link } });
  }
  if (order.get) await get(order.get);
}

tell({ ready: { addresses: shoal.addresses } });
for await (const line of createInterface({ input: process.stdin })) void obey(JSON.parse(line) as Order);
await shoal.close();
process.exit(0);
