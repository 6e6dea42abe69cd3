/**
 * The network of one run: a namespace a host, joined by a bridge, or by the delay line where there is a round trip.
 *
 *   [ namespace: up0 ─ tbf(up) ]══veth══[ sb…-pN ─ tbf(down) ]── bridge b0 ──trunk── bridge b1 (a part that splits off)
 *
 * Bytes are counted on the bridge's side of each veth: what it receives is what the host sent, after the shaping.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startDelayLine, type DelayLine } from './delay-line.ts';
import { batch, output } from './ip.ts';
import { names, runId } from './run-id.ts';
import { sweep } from './sweep.ts';

/** A machine on the test bed. */
export interface Host {
  /** `origin0`, `peer3`: the scenario's group and a number. */
  readonly name: string;
  readonly namespace: string;
  /** IPv4 address, the only one besides loopback. */
  readonly address: string;
  /** Interface on the bridge's side. */
  readonly link: string;
  /** Its own folder on tmpfs. */
  readonly folder: string;
}

/** What a host is to be. Bits per second; Infinity: unshaped. */
export interface HostPlan {
  name: string;
  up: number;
  down: number;
  /** Which part of the network it is in: 0, or the number of a part that can be split off. */
  part: number;
}

/** MTU 1500; with the Ethernet header 1514 bytes a frame, of which TCP with timestamps leaves 1448. */
export const WIRE_FACTOR = 1514 / 1448;

/**
 * What every host's kernel is told, whatever the machine's own settings: the buffer sizes that Linux has by default,
 * but for twice the largest send buffer: the kernel charges 2.5 kB for each packet of one segment, and half as much a
 * byte for those of many segments that real machines send (with 4 MiB bare TCP reached 0.7 of 200 Mbit/s over 100 ms).
 * No IPv6: its neighbour and router messages are noise here, and each node has one address. Cubic is set on the route,
 * since a namespace may set only what the machine allows to everybody, and that is not the test bed's to change.
 */
const SYSCTLS = {
  'net/ipv6/conf/all/disable_ipv6': '1',
  'net/ipv4/tcp_rmem': '4096 131072 6291456',
  'net/ipv4/tcp_wmem': '4096 16384 8388608',
};

/** What stands before each uplink at most, in ms, as PEERS.md measured with. */
export const QUEUE_MS = 100;

/** A bucket of 64 KiB and that queue. */
function tbf(device: string, bitsPerSec: number): string[] {
  if (bitsPerSec === Infinity) return [];
  return [
    `qdisc add dev ${device} root tbf rate ${Math.round(bitsPerSec)}bit burst 64kb latency ${QUEUE_MS}ms`,
  ];
}

/** A network made of namespaces. Take it down with `close`, which kills whatever runs in it. */
export class Network {
  readonly hosts: readonly Host[];
  readonly folder: string;
  /** The interfaces between the parts, part 1 first. */
  readonly trunks: readonly string[];
  readonly #id: string;
  readonly #delay: DelayLine | undefined;

  private constructor(id: string, hosts: readonly Host[], trunks: readonly string[], delay?: DelayLine) {
    this.#id = id;
    this.hosts = hosts;
    this.folder = names.folder(id);
    this.trunks = trunks;
    this.#delay = delay;
  }

  /** Builds it. @param rttMs 0: the bridge alone, well below a millisecond */
  static async create(plans: readonly HostPlan[], rttMs: number): Promise<Network> {
    const id = runId();
    const parts = Math.max(...plans.map((plan) => plan.part));
    if (rttMs > 0 && parts > 0)
      throw new Error('the delay line does not split: a scenario has either a round trip or a split here');
    if (plans.length > 250)
      throw new Error(`${plans.length} hosts do not fit; the test bed has addresses for 250`);
    const hosts = plans.map((plan, index) => hostOf(id, plan, index));
    const trunks = Array.from({ length: parts }, (_, i) => names.link(id, `t${i + 1}`));
    try {
      for (const host of hosts) mkdirSync(host.folder, { recursive: true });
      if (rttMs === 0) await makeBridges(id, trunks);
      for (const [index, plan] of plans.entries()) {
        await makeHost(
          hosts[index] as Host,
          plan,
          index,
          rttMs > 0 ? undefined : names.link(id, `b${plan.part}`),
        );
      }
      const delay =
        rttMs > 0
          ? await startDelayLine(
              names.folder(id),
              rttMs,
              hosts.map((host) => host.link),
            )
          : undefined;
      return new Network(id, hosts, trunks, delay);
    } catch (error) {
      await sweep((each) => each === id);
      throw error;
    }
  }

  /** Takes a host's link down, with no goodbye, or up again. */
  async setLink(host: Host, up: boolean): Promise<void> {
    await batch('ip', [`link set ${host.link} ${up ? 'up' : 'down'}`]);
  }

  /** Parts the network, or joins it again. */
  async setSplit(split: boolean): Promise<void> {
    await batch(
      'ip',
      this.trunks.map((trunk) => `link set ${trunk} ${split ? 'down' : 'up'}`),
    );
  }

  /** Packets that the delay line had no room for; 0 in a run that means something. */
  get delayLineDrops(): number {
    return this.#delay?.drops ?? 0;
  }

  /** Kills what runs in it, and removes every trace of it. */
  async close(): Promise<void> {
    await this.#delay?.stop();
    await sweep((id) => id === this.#id);
  }
}

function hostOf(id: string, plan: HostPlan, index: number): Host {
  const short = `h${index}`;
  return {
    name: plan.name,
    namespace: names.namespace(id, short),
    address: `10.77.0.${index + 1}`,
    link: names.link(id, short),
    folder: join(names.folder(id), plan.name),
  };
}

async function makeBridges(id: string, trunks: readonly string[]): Promise<void> {
  const main = names.link(id, 'b0');
  const bridge = (name: string): string[] => [
    `link add ${name} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`,
    `link set ${name} addrgenmode none up`,
  ];
  const lines = bridge(main);
  for (const [index, trunk] of trunks.entries()) {
    const part = names.link(id, `b${index + 1}`);
    const far = names.link(id, `u${index + 1}`);
    lines.push(
      ...bridge(part),
      `link add ${trunk} mtu 1500 gso_max_segs 1 type veth peer name ${far} mtu 1500 gso_max_segs 1`,
      `link set ${trunk} addrgenmode none master ${main} up`,
      `link set ${far} addrgenmode none master ${part} up`,
    );
  }
  await batch('ip', lines);
}

/** The MAC address says the host's number, which is how the delay line knows where a frame goes. */
function macOf(index: number): string {
  return `02:53:42:00:00:${(index + 1).toString(16).padStart(2, '0')}`;
}

async function makeHost(
  host: Host,
  plan: HostPlan,
  index: number,
  bridge: string | undefined,
): Promise<void> {
  const { namespace, link } = host;
  await batch('ip', [
    `netns add ${namespace}`,
    `link add ${link} mtu 1500 gso_max_segs 1 type veth peer name up0 address ${macOf(index)} mtu 1500 gso_max_segs 1 netns ${namespace}`,
    `link set ${link} addrgenmode none ${bridge === undefined ? '' : `master ${bridge} `}up`,
  ]);
  const settings = Object.entries(SYSCTLS).map(([name, value]) => `echo '${value}' > /proc/sys/${name}`);
  await output('ip', 'netns', 'exec', namespace, 'sh', '-ec', settings.join('\n'));
  await batch(
    'ip',
    [
      'link set lo up',
      `addr add ${host.address}/32 dev up0 noprefixroute`,
      'link set up0 up',
      // Everything else (multicast too) goes out and finds nobody, in place of failing at once.
      'route add default dev up0 congctl cubic',
    ],
    namespace,
  );
  await batch('tc', tbf('up0', plan.up), namespace);
  await batch('tc', tbf(link, plan.down));
}
