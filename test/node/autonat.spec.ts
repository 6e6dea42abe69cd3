import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Scene, type ShoalEvent, type ShoalProcess } from '../cli/shoal-process.ts';
import { NatNetwork, needNamespaces, PUBLIC } from './nat-network.ts';
import { pseudoRandomBytes } from './test-nodes.ts';

type Script = 'autonat-peer.ts' | 'autonat-home.ts';

/** The port that the node at home listens on, and that the router forwards where a test says so. */
const PORT = 4001;

const AT_ROUTER = `/ip4/${PUBLIC.router}/tcp/${PORT}/p2p/`;

type Host = 'relay' | 'far' | 'home';

/** A peer that is no `shoal` command. */
class Peer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly string[], script: Script, ...args: string[]) {
    const [program = '', ...rest] = [
      ...command,
      process.execPath,
      join(import.meta.dirname, script),
      ...args,
    ];
    this.#child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    const input = this.#child.stdout ?? assert.fail('it prints nothing');
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
  }

  /** The next event of a kind that satisfies the test. */
  async waitFor(kind: string, test: (event: ShoalEvent) => boolean = () => true): Promise<ShoalEvent> {
    for (;;) {
      const line = await this.#lines.next();
      if (line.done === true) throw new Error(`the peer ended without ${kind}`);
      const event = JSON.parse(line.value) as ShoalEvent;
      if (event.event === kind && test(event)) return event;
    }
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Whether the node can be reached at an address that begins so. */
function isAt(prefix: string): (event: ShoalEvent) => boolean {
  return (event) => (event['addresses'] as string[]).some((each) => each.startsWith(prefix));
}

describe('AutoNAT', function () {
  let network: NatNetwork;
  let scene: Scene;
  before(function () {
    needNamespaces(this);
  });
  beforeEach(() => {
    network = new NatNetwork();
    scene = new Scene();
  });
  afterEach(async () => {
    await scene[Symbol.asyncDispose]();
    network[Symbol.dispose]();
  });

  /** A shoal on a host, which listens on {@link PORT}. */
  function start(host: Host, verb: string, ...args: string[]): ShoalProcess {
    const common = ['--data', join(scene.folder, host), '--no-mdns', '--no-dht', '--no-web', '--json'];
    const listen = ['--listen', `/ip4/0.0.0.0/tcp/${PORT}`, '--log-level', 'debug'];
    return scene.start([verb, ...args, ...listen, ...common], network.command(host));
  }

  /** The address of a shoal that the internet can reach. */
  async function seed(host: 'relay' | 'far'): Promise<string> {
    const listening = await start(host, 'seed', '--relay').waitFor('listening');
    const prefix = `/ip4/${PUBLIC[host]}/`;
    return (listening['addresses'] as string[]).find((each) => each.startsWith(prefix)) ?? '';
  }

  async function shareAtHome(...peers: string[]): Promise<ShoalProcess> {
    const path = join(scene.folder, 'a.bin');
    await writeFile(path, pseudoRandomBytes(100_000));
    return start('home', 'share', path, ...peers.flatMap((peer) => ['--peer', peer]));
  }

  it('finds out that the router forwards the port: then links name its address, and no relay', async () => {
    network.forward(PORT);
    const home = await shareAtHome(await seed('relay'), await seed('far'));
    const changed = await home.waitFor('addresses', isAt(AT_ROUTER));
    assert.ok(!(changed['addresses'] as string[]).some(isRelayed));
    const [again, get] = [join(scene.folder, 'a.bin'), join(scene.folder, 'copy.bin')];
    const { link } = (await start('home', 'share', again).waitFor('sharing')) as unknown as { link: string };
    const address = new URLSearchParams(link.split('?')[1])
      .getAll('a')
      .find((each) => each.startsWith(AT_ROUTER));
    const { cid } = (await home.waitFor('sharing')) as unknown as { cid: string };
    const far = scene.start(
      ['get', `shoal:${cid}?a=${address}`, '-o', get, '--data', 'getter', '--no-mdns', '--linger', '0'],
      network.command('far'),
    );
    assert.equal(await far.exit(), 0, far.stderr);
    assert.ok((await readFile(get)).equals(await readFile(again)));
  });

  it('finds out that the router lets nobody in: then relays remain', async () => {
    const home = await shareAtHome(await seed('relay'), await seed('far'));
    await home.waitForNote(`peers cannot reach this node at /ip4/${PUBLIC.router}/tcp/${PORT}`);
    await home.waitFor('addresses', (event) => (event['addresses'] as string[]).some(isRelayed));
    assert.ok(!home.events.filter(({ event }) => event === 'addresses').some(isAt(AT_ROUTER)));
  });

  it('asks again, and tells no more of an address that has ceased to lead here', async () => {
    network.forward(PORT);
    const [relay, far] = [await seed('relay'), await seed('far')];
    await using home = new Peer(network.command('home'), 'autonat-home.ts', relay, far);
    const says = (text: string): Promise<ShoalEvent> =>
      home.waitFor('log', ({ message }) => String(message).includes(text));
    assert.ok(isAt(AT_ROUTER)(await says('the NAT lets peers in')));
    network.forwardNothing();
    home.say('next round');
    assert.ok(!isAt(AT_ROUTER)(await says('peers cannot reach this node')));
    network.forward(PORT);
    home.say('next round');
    assert.ok(isAt(AT_ROUTER)(await says('the NAT lets peers in')));
  });

  it('does not believe peers that say so, and have not come', async () => {
    network.forward(PORT);
    await using near = new Peer(network.command('relay'), 'autonat-peer.ts', 'liar');
    await using far = new Peer(network.command('far'), 'autonat-peer.ts', 'liar');
    const [a, b] = [await near.waitFor('listening'), await far.waitFor('listening')];
    const home = await shareAtHome(
      `/ip4/${PUBLIC.relay}${String(a['address'])}`,
      `/ip4/${PUBLIC.far}${String(b['address'])}`,
    );
    for (const { peer } of [a, b] as unknown as { peer: string }[])
      await home.waitForNote(`${peer} says that it reached this node, and has not come`);
    assert.ok(!home.stderr.includes('the NAT lets peers in'));
  });

  it("asks libp2p's own servers, and answers its clients", async () => {
    network.forward(PORT);
    const relay = await seed('relay');
    await using stock = new Peer(network.command('far'), 'autonat-peer.ts', 'stock', relay);
    const { address } = await stock.waitFor('listening');
    const isOwn = isAt(`/ip4/${PUBLIC.far}${String(address)}`);
    // The stock node tells of its public address once a peer has dialled it there.
    await stock.waitFor('addresses', isOwn);
    const home = await shareAtHome(relay, `/ip4/${PUBLIC.far}${String(address)}`);
    await home.waitFor('addresses', isAt(AT_ROUTER));
  });

  it('dials nobody but the peer that asks, where it is, and not too often', async () => {
    const relay = await seed('relay');
    await using prober = new Peer(network.command('far'), 'autonat-peer.ts', 'prober', relay, PUBLIC.far);
    const probed = await prober.waitFor('probed');
    const { event: _event, ...statuses } = probed;
    assert.deepEqual(statuses, {
      elsewhere: 101,
      otherPeer: 200,
      notTcp: 101,
      nothing: 101,
      closed: 100,
      own: 0,
      together: [0, 0],
      last: [0, 0, 101],
    });
  });
});

function isRelayed(address: string): boolean {
  return address.includes('/p2p-circuit');
}
