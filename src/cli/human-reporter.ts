import type { RateLimits, SourceShare, VerifyReport } from '../index.ts';
import type { InspectedEvent, JobEvent, ProgressEvent, UploadEvent } from '../daemon/job.ts';
import { keepRecent } from '../daemon/keep-recent.ts';
import { Throttle } from '../daemon/throttle.ts';
import {
  count,
  cutToWidth,
  formatBytes,
  formatDuration,
  formatRate,
  formatTable,
  printable,
  shortPeer,
} from './format.ts';
import { LiveLine } from './live-line.ts';
import { logText } from './log-text.ts';
import { percentOf, progressLine, sourcesText } from './progress-line.ts';
import type { Reporter, TextStream } from './reporter.ts';

/** Lines in a pipe or a log: one a second. */
const PLAIN_INTERVAL_MS = 1_000;

/** Sources in the summary; the rest are added up. */
const MAX_LISTED_SOURCES = 10;

type AssetEvent = Extract<JobEvent, { event: 'asset' }>;
type DoneEvent = Extract<JobEvent, { event: 'done' }>;

/** Shows a job to a person: a live line on a terminal, lines now and then in a pipe, and a summary at the end. */
export class HumanReporter implements Reporter {
  readonly #out: TextStream;
  readonly #err: TextStream;
  readonly #now: () => number;
  readonly #live: LiveLine | undefined;
  readonly #plain = new Throttle(PLAIN_INTERVAL_MS);
  readonly #assets: AssetEvent[] = [];
  readonly #uploads = new Map<string, number>();
  /** Of {@link #uploads}: a seed of thousands of assets tells of them many times a second. */
  #uploaded = 0;
  /** The last of them, and how many there were. */
  readonly #receivers = new Map<string, true>();
  #receivedBy = 0;
  /** Of this node, as told so far. */
  readonly #addresses = new Set<string>();
  #isListing = false;

  constructor(options: { out: TextStream; err: TextStream; now: () => number; isLive: boolean }) {
    this.#out = options.out;
    this.#err = options.err;
    this.#now = options.now;
    if (options.isLive) this.#live = new LiveLine(options.out, options.now);
  }

  event(event: JobEvent): void {
    switch (event.event) {
      case 'progress':
        return this.#progress(event);
      case 'hashing':
        return this.#moment(`Hashing ${printable(event.path)} ${amount(event.bytes, event.total)}`);
      case 'verifying':
        return this.#moment(`Checking ${amount(event.bytes, event.total)}`);
      case 'upload':
        return this.#upload(event);
      case 'sharing':
        return this.#print(
          `Sharing ${printable(event.path ?? 'standard input')} (${formatBytes(event.bytes)})\n  CID   ${event.cid}\n  Get   shoal get '${printable(event.link)}'`,
        );
      case 'seeding':
        return this.#print(
          [
            `Seeding ${count(event.assets, 'asset')}. Reachable at`,
            ...addressLines('  ', event.addresses),
          ].join('\n'),
        );
      case 'done':
        return this.#print(doneText(event));
      case 'asset':
        this.#assets.push(event);
        return;
      case 'removed':
        return this.#print(`Removed ${event.cid}`);
      case 'limited':
        return this.#print(limitedText(event));
      case 'verified':
        return this.#print(verifiedText(event));
      case 'inspected':
        return this.#print(inspectedText(event));
      case 'id':
        return this.#print(
          [
            `Peer     ${event.peer}`,
            `Folder   ${event.dataDir}`,
            ...addressLines('Address  ', event.addresses),
          ].join('\n'),
        );
      case 'page':
        return this.#print(`Open ${event.url} in a browser on this machine.`);
      case 'warning':
        return this.#warn(`shoal: warning: ${printable(event.message)} (${event.code})`);
      case 'addresses':
        return this.#moreAddresses(event.addresses);
      case 'listening':
        // They are in the link.
        for (const address of event.addresses) this.#addresses.add(address);
        return;
      case 'error':
        // It is reported where the command ends.
        return;
    }
  }

  /** Of the node's addresses, now, those that it had not before. */
  #moreAddresses(addresses: readonly string[]): void {
    const more = addresses.filter((address) => !this.#addresses.has(address));
    if (more.length === 0) return;
    for (const address of more) this.#addresses.add(address);
    const isRelayed = more.every((address) => address.includes('/p2p-circuit'));
    const how = isRelayed ? 'found through a relay' : 'reached from outside';
    this.#print(
      [`Also ${how}: add &a=ADDRESS to a link, or share again.`, ...addressLines('  ', more)].join('\n'),
    );
  }

  note(text: string): void {
    this.#print(text);
  }

  log(level: string, message: string): void {
    this.#warn(logText(level, printable(message)));
  }

  /** The command lists: an empty table says so. */
  expectList(): void {
    this.#isListing = true;
  }

  close(): void {
    this.#live?.clear();
    if (this.#isListing && this.#assets.length === 0) this.#print('The data folder holds no assets.');
    if (this.#assets.length > 0) this.#print(assetTable(this.#assets));
    this.#assets.length = 0;
    this.#isListing = false;
  }

  #progress(event: ProgressEvent): void {
    if (this.#live) return this.#live.show((width) => progressLine(event, width));
    if (event.phase === 'done' || !this.#plain.passes(this.#now(), event.phase)) return;
    if (event.phase === 'searching') return this.#print('Looking for peers that have it');
    if (event.phase === 'checking')
      return this.#print(`Checking what is here, ${amount(event.bytes, event.total)}`);
    const parts = [
      amount(event.bytes, event.total),
      formatRate(event.bytesPerSec),
      count(event.peers, 'peer'),
      sourcesText(event),
    ];
    this.#print(parts.filter((part) => part !== '').join(', '));
  }

  #upload(event: UploadEvent): void {
    const key = `${event.cid} ${event.peer}`;
    const before = this.#uploads.get(key) ?? 0;
    // Of one that was forgotten meanwhile the sum begins anew.
    this.#uploaded += event.bytes < before ? event.bytes : event.bytes - before;
    keepRecent(this.#uploads, key, event.bytes);
    if (!this.#receivers.has(event.peer)) this.#receivedBy++;
    keepRecent(this.#receivers, event.peer, true);
    const text = `Sent ${formatBytes(this.#uploaded)} to ${count(this.#receivedBy, 'peer')}`;
    this.#live?.show((width) => text.slice(0, width));
  }

  /** What matters only while it lasts. */
  #moment(text: string): void {
    if (this.#live) this.#live.show((width) => cutToWidth(text, width));
    else if (this.#plain.passes(this.#now())) this.#print(text);
  }

  #print(text: string): void {
    this.#live?.clear();
    this.#out.write(`${text}\n`);
  }

  #warn(text: string): void {
    this.#live?.clear();
    this.#err.write(`${text}\n`);
  }
}

/** Of a node's own addresses, too, a part is written by others: a relay says where it is reached, and may name any host. */
function addressLines(before: string, addresses: readonly string[]): string[] {
  return addresses.map((address) => `${before}${printable(address)}`);
}

function amount(bytes: number, total: number | undefined): string {
  if (total === undefined) return formatBytes(bytes);
  return `${percentOf(bytes, total)} % (${formatBytes(bytes)} of ${formatBytes(total)})`;
}

function doneText(event: DoneEvent): string {
  const rate = event.durationMs > 0 ? `, ${formatRate((event.bytes / event.durationMs) * 1000)}` : '';
  const where = event.path === '-' ? 'Written' : `Saved ${printable(event.path)}`;
  const head = `${where} (${formatBytes(event.bytes)} in ${formatDuration(event.durationMs)}${rate})`;
  return [head, ...sourceLines(event.sources)].join('\n');
}

function sourceLines(sources: readonly SourceShare[]): string[] {
  const sum = sources.reduce((bytes, source) => bytes + source.bytes, 0);
  const line = (who: string, bytes: number): string =>
    `  ${String(percentOf(bytes, sum)).padStart(3)} %  ${formatBytes(bytes).padStart(8)}  from ${who}`;
  const lines = sources.slice(0, MAX_LISTED_SOURCES).map(({ peer, bytes }) => line(shortPeer(peer), bytes));
  const rest = sources.slice(MAX_LISTED_SOURCES);
  if (rest.length > 0)
    lines.push(
      line(
        `${rest.length} more`,
        rest.reduce((bytes, source) => bytes + source.bytes, 0),
      ),
    );
  return lines;
}

function assetTable(assets: readonly AssetEvent[]): string {
  const rows = assets.map(({ cid, name, type, bytes, bytesHere, state, path }) => [
    cid,
    state === 'partial' && bytes !== undefined ? `partial ${percentOf(bytesHere, bytes)} %` : state,
    type,
    bytes === undefined ? '?' : formatBytes(bytes),
    printable(path ?? name ?? ''),
  ]);
  return formatTable(['CID', 'STATE', 'TYPE', 'SIZE', 'PATH OR NAME'], rows, new Set([3]));
}

function verifiedText(report: VerifyReport): string {
  const isGood = report.bytesBad === 0 && report.problems.length === 0;
  const head = `${isGood ? 'good' : 'BAD '}  ${report.cid}  ${formatBytes(report.bytesGood)} good${
    isGood ? '' : `, ${formatBytes(report.bytesBad)} bad`
  }  ${printable(report.path ?? report.name ?? '')}`.trimEnd();
  return [head, ...report.problems.map((problem) => `      ${printable(problem)}`)].join('\n');
}

function limitedText(event: Extract<JobEvent, { event: 'limited' }>): string {
  const rate = (limit: number | undefined): string => (limit === undefined ? 'no limit' : formatRate(limit));
  const both = (limits: RateLimits): string =>
    `${rate(limits.uploadBytesPerSec)} up, ${rate(limits.downloadBytesPerSec)} down`;
  if (event.cid !== undefined) return `${event.cid}: ${both(event)}`;
  return `The node: ${both(event)}\nEach peer: ${both(event.perPeer ?? {})}`;
}

function inspectedText(event: InspectedEvent): string {
  const rows: [string, string | undefined][] = [
    ['CID', event.cid],
    ['Type', event.type],
    ['Name', event.name === undefined ? undefined : printable(event.name)],
    ['Size', event.bytes === undefined ? undefined : `${formatBytes(event.bytes)} (${event.bytes} bytes)`],
    ['Here', event.bytesHere === undefined ? undefined : formatBytes(event.bytesHere)],
    [
      'Chunks',
      event.chunks === undefined
        ? undefined
        : `${event.chunks}${event.chunkSize === undefined ? '' : ` of ${event.chunkSize} bytes`}`,
    ],
    ['Nodes', event.nodes === undefined ? undefined : String(event.nodes)],
    ['Same CID', event.ipfsAdd && printable(event.ipfsAdd)],
    ['Note', event.note],
  ];
  const lines = rows
    .filter((row): row is [string, string] => row[1] !== undefined)
    .map(([name, text]) => `${name.padEnd(9)} ${text}`);
  for (const { type, size, path, target } of event.entries ?? []) {
    const suffix = type === 'directory' ? '/' : type === 'symlink' ? ` -> ${printable(target ?? '')}` : '';
    lines.push(`  ${(type === 'file' ? formatBytes(size) : '').padStart(8)}  ${printable(path)}${suffix}`);
  }
  return lines.join('\n');
}
