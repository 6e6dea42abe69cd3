import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Scene, type ShoalProcess } from '../cli/shoal-process.ts';
import { NatNetwork, needNamespaces, PUBLIC } from './nat-network.ts';
import { pseudoRandomBytes } from './test-nodes.ts';

interface Addressed {
  addresses: string[];
}

/** The first event of a kind that has an address of this form, and that address. */
async function addressOf(node: ShoalProcess, kind: string, form: RegExp): Promise<string> {
  const find = ({ addresses }: Addressed): string | undefined => addresses.find((each) => form.test(each));
  const event = await node.waitFor(kind, (each) => find(each as unknown as Addressed) !== undefined);
  return find(event as unknown as Addressed) ?? '';
}

describe('a node behind a NAT', function () {
  before(function () {
    needNamespaces(this);
  });

  it('is found through a relay that its user named, and gives a file over a direct connection', async () => {
    using network = new NatNetwork();
    await using scene = new Scene();
    const start = (host: string, verb: string, ...args: string[]): ShoalProcess => {
      const common = ['--data', join(scene.folder, host), '--no-mdns', '--no-dht', '--no-web', '--json'];
      const listen = ['--listen', '/ip4/0.0.0.0/tcp/0'];
      return scene.start([verb, ...args, ...listen, ...common], network.command(host));
    };
    const relay = start('relay', 'seed', '--relay');
    // A public address of its own is one of its addresses: it is in links, though nobody has confirmed it.
    const named = await addressOf(relay, 'listening', new RegExp(`^/ip4/${PUBLIC.relay}/`));
    // More than a relay lets through.
    const bytes = pseudoRandomBytes(5_000_000);
    await writeFile(join(scene.folder, 'a.bin'), bytes);
    const home = start('home', 'share', join(scene.folder, 'a.bin'), '--peer', named);
    const form = new RegExp(`^/ip4/${PUBLIC.relay}/tcp/\\d+/p2p/[^/]+/p2p-circuit/p2p/`);
    const address = await addressOf(home, 'addresses', form);
    const { cid } = (await home.waitFor('sharing')) as unknown as { cid: string };
    const far = start(
      'far',
      'get',
      `shoal:${cid}?a=${address}`,
      '-o',
      join(scene.folder, 'copy.bin'),
      '--linger',
      '0',
    );
    assert.equal(await far.exit(), 0, far.stderr);
    assert.ok((await readFile(join(scene.folder, 'copy.bin'))).equals(bytes));
  });
});
