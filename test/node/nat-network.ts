import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Hosts on the made-up internet. Their addresses are public ones, which libp2p treats as such; no packet leaves this machine. */
export const PUBLIC = { relay: '5.1.1.1', far: '5.1.1.2', router: '5.1.1.3' } as const;

/** The host behind the router. */
export const HOME = '192.168.77.2';

/** Skips where namespaces or nftables cannot be had, and says so. */
export function needNamespaces(context: Mocha.Context): void {
  const missing = whatIsMissing();
  if (missing === undefined) return;
  process.stdout.write(`  skipped: ${missing}\n`);
  context.skip();
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'a NAT of network namespaces needs Linux';
  if (process.geteuid?.() !== 0) return 'a NAT of network namespaces needs root';
  const places = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];
  const lacks = ['ip', 'nft'].filter((name) => !places.some((place) => existsSync(`${place}/${name}`)));
  if (lacks.length > 0) return `no ${lacks.join(' and no ')}: apt-get install iproute2 nftables`;
  try {
    const probe = `shoal-probe-${process.pid}`;
    run('ip', 'netns', 'add', probe);
    run('ip', 'netns', 'del', probe);
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made here: ${String(error)}`;
  }
}

/**
 * Two hosts on an internet, and one at home behind a router that translates addresses and lets nothing in that was not
 * asked for, without an answer (nftables). All of it in namespaces of its own.
 */
export class NatNetwork implements Disposable {
  readonly #id = `shoal-nat-${process.pid}`;

  constructor() {
    try {
      for (const host of ['wan', 'relay', 'far', 'router', 'home']) this.#ip('netns', 'add', this.name(host));
      this.#in('wan', 'link', 'add', 'br0', 'type', 'bridge');
      this.#in('wan', 'link', 'set', 'br0', 'up');
      for (const [host, address] of Object.entries(PUBLIC)) {
        this.#join(host, 'wan0', 'wan', host);
        this.#in('wan', 'link', 'set', host, 'master', 'br0', 'up');
        this.#address(host, 'wan0', address);
      }
      this.#join('home', 'lan0', 'router', 'lan0');
      this.#address('home', 'lan0', HOME);
      this.#address('router', 'lan0', '192.168.77.1');
      this.#in('home', 'route', 'add', 'default', 'via', '192.168.77.1');
      this.#exec('router', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
      this.#exec('router', 'nft', RULES);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  name(host: string): string {
    return `${this.#id}-${host}`;
  }

  /** What runs a program on a host. */
  command(host: string): string[] {
    return ['ip', 'netns', 'exec', this.name(host)];
  }

  /** Has the router let connections to a port of its public address through to the host at home. */
  forward(port: number): void {
    const rule = ['iifname', 'wan0', 'tcp', 'dport', String(port), 'dnat', 'to', HOME];
    this.#exec('router', 'nft', 'add', 'rule', 'ip', 'home', 'in', ...rule);
  }

  forwardNothing(): void {
    this.#exec('router', 'nft', 'flush', 'chain', 'ip', 'home', 'in');
  }

  [Symbol.dispose](): void {
    for (const host of ['home', 'router', 'far', 'relay', 'wan']) {
      try {
        this.#ip('netns', 'del', this.name(host));
      } catch {
        // It was not made.
      }
    }
  }

  #join(host: string, link: string, other: string, otherLink: string): void {
    const peer = ['peer', 'name', otherLink, 'netns', this.name(other)];
    this.#ip('link', 'add', link, 'netns', this.name(host), 'type', 'veth', ...peer);
    this.#in(other, 'link', 'set', otherLink, 'up');
  }

  #address(host: string, link: string, address: string): void {
    this.#in(host, 'addr', 'add', `${address}/24`, 'dev', link);
    this.#in(host, 'link', 'set', link, 'up');
    this.#in(host, 'link', 'set', 'lo', 'up');
  }

  #in(host: string, ...args: string[]): void {
    run('ip', '-n', this.name(host), ...args);
  }

  #exec(host: string, ...args: string[]): void {
    const [program = '', ...rest] = [...this.command(host), ...args];
    run(program, ...rest);
  }

  #ip(...args: string[]): void {
    run('ip', ...args);
  }
}

const RULES = `
table ip home {
  chain in { type nat hook prerouting priority dstnat; }
  chain self { type filter hook input priority filter; iifname "wan0" ct state new drop; }
  chain out { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
  chain through { type filter hook forward priority filter; policy drop; iifname "lan0" accept; ct status dnat accept; ct state established,related accept; }
}`;

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
