import { isScalar, isSeq } from 'yaml';
import { fluidBoundMs } from './fluid-bound.ts';
import { ScenarioText, nearest, show, type Fields } from './scenario-fields.ts';
import type { Group, Moment, NetworkModel, Scenario, ScenarioEvent, Strategy } from './scenario.ts';
import * as units from './units.ts';

/** More peers than this fit into no machine that this was tried on. */
const MAX_PEERS = 100_000;

/** A downlink that nobody named is never what a run waits for. Bits per second. */
const DEFAULT_DOWN = 1e9;

/** A run that takes so many times its bound is not going to end well. */
const LIMIT_BOUNDS = 5;

/** Small files are over at once by the bound, and round trips are not: never less than this. */
const LEAST_LIMIT_SEC = 60;

const STRATEGIES: readonly Strategy[] = [
  'honest',
  'free-rider',
  'whitewash',
  'many-links',
  'hidden-haves',
  'false-haves',
  'minimal',
  'liar',
];

const TOP_KEYS = ['about', 'file', 'chunk', 'peers', 'limit', 'network', 'groups', 'events'];
const NETWORK_KEYS = ['rtt', 'loss', 'tcp', 'rttError', 'rttLate', 'uplink', 'queue', 'headers', 'meet'];
const GROUP_KEYS = [
  'name',
  'role',
  'count',
  'share',
  'up',
  'down',
  'strategy',
  'join',
  'leaves',
  'disk',
  'churn',
  'mode',
];
const EVENT_KEYS = ['cut', 'split', 'at', 'for'];

/**
 * Reads a scenario from YAML. docs/simulator.md shows every key with its default.
 *
 * @param text the file's content
 * @param name the file's name: named in errors, and without `.yaml` (and with the settings) the scenario's name
 * @param settings `key=value`, put in place of what the file says: `peers=100`, `groups.origin.up=50 Mbit/s`
 * @throws ERR_BAD_SCENARIO for everything that makes no sense, with the line, what was found and what is allowed
 */
export function parseScenario(text: string, name: string, settings: readonly string[] = []): Scenario {
  const file = new ScenarioText(text, name, settings);
  const top = file.fields(TOP_KEYS);
  const scenario = {
    name: [name.replace(/\.ya?ml$/, ''), ...settings].join(' '),
    about: top.optional('about', units.sentence),
    fileBytes: Math.round(top.required('file', units.fileSize)),
    chunkBytes: top.optional('chunk', units.chunkSize),
    network: readNetwork(top.below('network', NETWORK_KEYS)),
    groups: readGroups(top),
    events: [] as ScenarioEvent[],
    limitSec: 0,
  } satisfies Scenario;
  const names = scenario.groups.map((group) => group.name);
  for (const fields of top.list('events', EVENT_KEYS)) {
    const event = readEvent(fields, names);
    const clash = scenario.events.findIndex((other) => contradicts(event, other));
    if (clash !== -1) {
      throw fields.mistake(
        'at',
        `is while event number ${clash + 1} lasts, which does the same; move one, or let the other end before`,
      );
    }
    scenario.events.push(event);
  }
  scenario.limitSec = top.optional('limit', units.someSeconds) ?? limitSecOf(scenario);
  return scenario;
}

function readNetwork(fields: Fields | undefined): NetworkModel {
  const network: NetworkModel = {
    rttMs: fields?.optional('rtt', units.roundTrips) ?? [20, 150],
    loss: fields?.optional('loss', units.share(0.5)) ?? 0,
    tcp: fields?.optional('tcp', units.yesOrNo) ?? false,
    rttError: fields?.optional('rttError', units.share(1)) ?? 0,
    rttLateMs: fields?.optional('rttLate', units.milliseconds) ?? 0,
    uplink: fields?.optional('uplink', units.oneOf(['fifo', 'shared'])) ?? 'fifo',
    queueMs: fields?.optional('queue', units.milliseconds) ?? 0,
    headers: fields?.optional('headers', units.yesOrNo) ?? false,
    meet: fields?.optional('meet', units.oneOf(['origin', 'random'])) ?? 'random',
  };
  if (network.loss > 0 && !network.tcp) {
    throw (fields as Fields).mistake(
      'loss',
      'does nothing without TCP, which is what recovers from it: add "tcp: true"',
    );
  }
  if (network.queueMs > 0 && network.uplink !== 'shared') {
    throw (fields as Fields).mistake(
      'queue',
      'does nothing where chunks leave one after another: add "uplink: shared"',
    );
  }
  return network;
}

function readGroups(top: Fields): Group[] {
  const all = top.list('groups', GROUP_KEYS);
  const counts = readCounts(top, all);
  const groups = all.map((fields, i) => readGroup(fields, counts[i] as number));
  groups.forEach(({ name }, i) => {
    if (groups.findIndex((other) => other.name === name) === i) return;
    throw (all[i] as Fields).mistake('name', `is "${name}", which an earlier group is called already`);
  });
  const where = top.has('groups') ? 'groups' : 'file';
  const count = (role: Group['role']): number =>
    groups.reduce((sum, group) => sum + (group.role === role ? group.count : 0), 0);
  if (count('origin') === 0) {
    throw top.mistake(where, 'without an origin: one group needs "role: origin", or nobody has the file');
  }
  if (count('peer') === 0) throw top.mistake(where, 'without a peer: nobody wants the file');
  const total = groups.reduce((sum, group) => sum + group.count, 0);
  if (total > MAX_PEERS) throw top.mistake(where, `with ${total} peers in all; allowed: ${MAX_PEERS}`);
  return groups;
}

/** Counts of all groups. `share`s of `peers` are rounded so that they add up. */
function readCounts(top: Fields, all: readonly Fields[]): number[] {
  const peers = top.optional('peers', units.wholeNumber(1, MAX_PEERS));
  const shares = all.map((fields) => fields.optional('share', units.share(1)));
  const sum = shares.reduce<number>((sum, share) => sum + (share ?? 0), 0);
  const first = all.find((fields) => fields.has('share'));
  if (first && peers === undefined)
    throw first.mistake('share', 'is of "peers", which is missing at the top');
  if (first && Math.abs(sum - 1) > 1e-9) {
    throw first.mistake(
      'share',
      `and the other shares add up to ${(sum * 100).toFixed(2)} %; they must make 100 %`,
    );
  }
  if (!first && peers !== undefined) throw top.mistake('peers', 'is given, and no group has a "share" of it');
  let before = 0;
  return all.map((fields, i) => {
    const share = shares[i];
    if (share === undefined) {
      const needed = fields.optional('role', units.oneOf(['origin', 'seed', 'peer'])) ?? 'peer';
      const unit = units.wholeNumber(1, MAX_PEERS);
      return needed === 'peer' ? fields.required('count', unit) : (fields.optional('count', unit) ?? 1);
    }
    if (fields.has('count')) throw fields.mistake('count', 'and "share" are both given; one is enough');
    const from = Math.round(before * (peers as number));
    before += share;
    return Math.round(before * (peers as number)) - from;
  });
}

function readGroup(fields: Fields, count: number): Group {
  const role = fields.optional('role', units.oneOf(['origin', 'seed', 'peer'])) ?? 'peer';
  const group: Group = {
    name: fields.required('name', units.groupName),
    count,
    role,
    up: fields.required('up', units.bitRate),
    down: fields.optional('down', units.bitRate) ?? DEFAULT_DOWN,
    strategy: fields.optional('strategy', units.oneOf(STRATEGIES)) ?? 'honest',
    joinSec: fields.optional('join', units.joinTimes) ?? [0, 0],
    leavesWhenDone: fields.optional('leaves', units.yesOrNo) ?? false,
    diskBytesPerSec: fields.optional('disk', units.diskRate) ?? Infinity,
    churn: readChurn(fields.below('churn', ['up', 'down'])),
    mode: fields.optional('mode', units.oneOf(['normal', 'offload', 'fleet'])) ?? 'normal',
  };
  if (role === 'origin' && group.strategy !== 'honest') {
    throw fields.mistake(
      'strategy',
      `is "${group.strategy}", and an origin is honest; make it a seed or a peer`,
    );
  }
  if (role === 'seed' && !['honest', 'liar', 'false-haves'].includes(group.strategy)) {
    throw fields.mistake(
      'strategy',
      `is "${group.strategy}"; a seed is honest, a liar, or has false haves; the others need a file to gain`,
    );
  }
  if (role !== 'peer' && group.leavesWhenDone) {
    throw fields.mistake(
      'leaves',
      `is true, and a group of role ${role} has everything from the start: use a cut`,
    );
  }
  if (group.mode === 'offload' && role !== 'origin') {
    throw fields.mistake('mode', 'is "offload", which is for origins only');
  }
  return group;
}

function readChurn(fields: Fields | undefined): Group['churn'] {
  if (!fields) return undefined;
  return {
    upSec: fields.required('up', units.someSeconds),
    downSec: fields.required('down', units.someSeconds),
  };
}

/** `at: 12 s`, or `at: 1.05 files`. */
const moment: units.Unit<Moment> = {
  allowed: 'a time such as 12 s, or how much the origins have sent by then, such as 1.05 files',
  read(written) {
    const atSec = units.seconds.read(written);
    if (atSec !== undefined) return { atSec };
    const match = typeof written === 'string' ? /^(\d+(?:\.\d+)?)\s*files?$/.exec(written.trim()) : null;
    const originSent = Number(match?.[1] ?? 0);
    return originSent > 0 && originSent <= MAX_PEERS ? { originSent } : undefined;
  },
};

function readEvent(fields: Fields, names: readonly string[]): ScenarioEvent {
  if (fields.has('cut') === fields.has('split')) {
    if (fields.has('cut')) throw fields.mistake('split', 'and "cut" are two events: write them as two');
    fields.required('cut', {
      allowed: 'a group, a list of groups, or "split" in its place',
      read: () => undefined,
    });
  }
  const when = fields.required('at', moment);
  if (fields.has('cut')) {
    const groups = readNames(fields, 'cut', fields.at('cut'), names);
    return { type: 'cut', when, groups, forSec: fields.optional('for', units.someSeconds) };
  }
  const parts = fields.items('split').map((node) => readNames(fields, 'split', node, names));
  const all = parts.flat();
  const twice = all.find((name, i) => all.indexOf(name) !== i);
  if (twice !== undefined) throw fields.mistake('split', `has "${twice}" in two parts`);
  if (parts.length === 0 || (parts.length === 1 && all.length === names.length)) {
    throw fields.mistake(
      'split',
      'leaves all in one part; allowed: lists of groups, such as [[origin, left], [right]]',
    );
  }
  return { type: 'split', when, parts, forSec: fields.required('for', units.someSeconds) };
}

/** The groups that a node names. */
function readNames(fields: Fields, key: string, node: unknown, names: readonly string[]): string[] {
  const written = isSeq(node) ? node.items : [node];
  if (written.length === 0) throw fields.mistake(key, 'names no group');
  const read = written.map((item) => {
    const name = isScalar(item) ? String(item.value) : show(item);
    if (names.includes(name)) return name;
    const meant = nearest(name, names);
    const hint = meant ? `did you mean "${meant}"?` : `the groups are ${names.join(', ')}`;
    throw fields.mistake(key, `names ${JSON.stringify(name)}, which is no group; ${hint}`);
  });
  return [...new Set(read)];
}

/** Whether two events cannot both happen as they say: a group that is down goes down, or a split network splits. */
function contradicts(a: ScenarioEvent, b: ScenarioEvent): boolean {
  if (a.type === 'split' || b.type === 'split') return a.type === b.type && overlap(a, b);
  return a.groups.some((name) => b.groups.includes(name)) && overlap(a, b);
}

function overlap(a: ScenarioEvent, b: ScenarioEvent): boolean {
  if ('originSent' in a.when && 'originSent' in b.when) {
    const first = a.when.originSent <= b.when.originSent ? a : b;
    return a.when.originSent === b.when.originSent || first.forSec === undefined;
  }
  if (!('atSec' in a.when) || !('atSec' in b.when)) return false;
  const until = (event: ScenarioEvent, from: number): number => from + (event.forSec ?? Infinity);
  return a.when.atSec < until(b, b.when.atSec) && b.when.atSec < until(a, a.when.atSec);
}

/** Five times the bound (without its events, where with them nobody can finish), and a minute at the least. */
function limitSecOf(scenario: Scenario): number {
  const boundMs = fluidBoundMs(scenario);
  const finiteMs = Number.isFinite(boundMs) ? boundMs : fluidBoundMs({ ...scenario, events: [] });
  return Math.ceil(Math.max(LEAST_LIMIT_SEC, (LIMIT_BOUNDS * finiteMs) / 1000));
}
