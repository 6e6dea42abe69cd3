import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  LineCounter,
  Pair,
  Scalar,
  YAMLMap,
  type Document,
  type Node,
  type YAMLError,
} from 'yaml';
import { ShoalError } from '../errors.ts';
import type { Unit } from './units.ts';

/** A scenario's text with its places: every mistake is told with the file and the line that it is on. */
export class ScenarioText {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  /** What `--set` put in: it stands on no line. */
  readonly #set = new Map<unknown, string>();

  /**
   * @param file named in errors
   * @param settings `key=value`, put in place of what the text says: `peers=100`, `network.loss=1 %`, `groups.origin.up=50 Mbit/s`
   * @throws ERR_BAD_SCENARIO
   */
  constructor(text: string, file: string, settings: readonly string[]) {
    this.#file = file;
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [mistake] = [...this.#document.errors, ...this.#document.warnings];
    if (mistake) {
      throw bad(`${this.#file}, line ${this.#lines.linePos(mistake.pos[0]).line}: ${firstLine(mistake)}`);
    }
    for (const setting of settings) this.#put(setting);
  }

  /** The file's top level. */
  fields(allowed: readonly string[]): Fields {
    return new Fields(this, this.#document.contents, '', allowed);
  }

  /** The error for something that is written at `node`. */
  mistake(node: unknown, what: string): ShoalError {
    const setting = this.#set.get(node);
    if (setting !== undefined) return bad(`--set ${setting}: ${what}`);
    const at = (node as Partial<Node> | null | undefined)?.range?.[0];
    const place = at === undefined ? '' : `, line ${this.#lines.linePos(at).line}`;
    return bad(`${this.#file}${place}: ${what}`);
  }

  #put(setting: string): void {
    const at = setting.indexOf('=');
    const keys = setting.slice(0, Math.max(0, at)).split('.');
    const value = parseDocument(setting.slice(at + 1)).contents;
    if (at < 1 || keys.includes('') || value === null) {
      throw bad(`--set ${setting}: write key=value, such as peers=100 or groups.origin.up="50 Mbit/s"`);
    }
    const last = keys.pop() as string;
    let node: unknown = this.#document.contents;
    for (const key of keys) node = this.#step(node, key, setting);
    if (!isMap(node)) throw bad(`--set ${setting}: ${this.#file} has nothing there that takes a "${last}"`);
    this.#replace(node, last, value, setting);
  }

  #replace(map: YAMLMap, key: string, value: unknown, setting: string): void {
    const name = new Scalar(key);
    this.#set.set(name, setting);
    this.#set.set(value, setting);
    if (map.has(key)) map.delete(key);
    map.items.push(new Pair(name, value));
  }

  #step(node: unknown, key: string, setting: string): unknown {
    if (isSeq(node)) {
      const found = node.items.find(
        (item, i) => String(i) === key || (isMap(item) && item.get('name') === key),
      );
      if (found) return found;
      const names = node.items.flatMap((item) => (isMap(item) ? [show(item.get('name', true))] : []));
      throw bad(`--set ${setting}: ${this.#file} has no "${key}"; it has ${names.join(', ')}`);
    }
    if (!isMap(node)) throw bad(`--set ${setting}: ${this.#file} has nothing at "${key}"`);
    if (!node.has(key)) {
      const made = new YAMLMap(this.#document.schema);
      this.#replace(node, key, made, setting);
    }
    return node.get(key, true);
  }
}

/** A part of a scenario: keys with values, each read once, none unknown. */
export class Fields {
  readonly node: unknown;
  readonly #text: ScenarioText;
  readonly #path: string;
  readonly #map: YAMLMap;

  /** @throws ERR_BAD_SCENARIO where `node` is no map, or has a key that is not `allowed` */
  constructor(text: ScenarioText, node: unknown, path: string, allowed: readonly string[]) {
    this.node = node;
    this.#text = text;
    this.#path = path;
    if (!isMap(node)) {
      const what = path === '' ? 'a scenario' : path;
      throw text.mistake(node, `${what} is ${show(node)}; it takes keys with values: ${allowed.join(', ')}`);
    }
    this.#map = node;
    for (const { key } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (allowed.includes(name)) continue;
      const meant = nearest(name, allowed);
      const hint = meant ? `did you mean "${meant}"?` : `it takes ${allowed.join(', ')}`;
      throw text.mistake(key, `${this.#name(name)} is unknown; ${hint}`);
    }
  }

  has(key: string): boolean {
    return this.#map.has(key);
  }

  /** @throws ERR_BAD_SCENARIO where the value is none of the unit's */
  optional<T>(key: string, unit: Unit<T>): T | undefined {
    if (!this.has(key)) return undefined;
    const node = this.at(key);
    const value = isScalar(node) ? unit.read(node.value) : undefined;
    if (value === undefined) throw this.mistake(key, `is ${show(node)}; allowed: ${unit.allowed}`);
    return value;
  }

  /** @throws ERR_BAD_SCENARIO also where the key is missing */
  required<T>(key: string, unit: Unit<T>): T {
    const value = this.optional(key, unit);
    if (value !== undefined) return value;
    throw this.#text.mistake(this.node, `${this.#name(key)} is missing; allowed: ${unit.allowed}`);
  }

  /** The keys below one of this part's keys; undefined where it is not there. */
  below(key: string, allowed: readonly string[]): Fields | undefined {
    return this.has(key) ? new Fields(this.#text, this.at(key), this.#name(key), allowed) : undefined;
  }

  /** The parts of a list; none where it is not there. */
  list(key: string, allowed: readonly string[]): Fields[] {
    return this.items(key).map(
      (node, i) => new Fields(this.#text, node, `${this.#name(key)}[${i}]`, allowed),
    );
  }

  /** What a list holds: nodes. */
  items(key: string): readonly unknown[] {
    if (!this.has(key)) return [];
    const node = this.at(key);
    if (!isSeq(node)) throw this.mistake(key, `is ${show(node)}; allowed: a list`);
    return node.items;
  }

  /** The value's node. */
  at(key: string): unknown {
    return this.#map.get(key, true);
  }

  /** The error for the value of a key. */
  mistake(key: string, what: string): ShoalError {
    const node = this.at(key);
    const place =
      (node as Partial<Node> | undefined)?.range || isScalar(node) ? node : keyNode(this.#map, key);
    return this.#text.mistake(place, `${this.#name(key)} ${what}`);
  }

  #name(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

/** What is written at a node, for a message. */
export function show(node: unknown): string {
  if (isAlias(node)) return `*${node.source}, an alias, which scenarios do not take`;
  if (isMap(node)) return 'keys with values';
  if (isSeq(node)) return 'a list';
  const value = isScalar(node) ? node.value : node;
  return value === null || value === undefined ? 'nothing' : JSON.stringify(value);
}

/** The word that was probably meant, at most two typing mistakes away. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const far = Math.min(2, Math.floor(word.length / 2));
  const ranked = words.map((other) => ({ other, steps: distance(word.toLowerCase(), other.toLowerCase()) }));
  const [best] = ranked.sort((a, b) => a.steps - b.steps);
  return best && best.steps <= far ? best.other : undefined;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, swap));
    }
    row = next;
  }
  return row[b.length] as number;
}

function keyNode(map: YAMLMap, name: string): unknown {
  return map.items.find(({ key }) => (isScalar(key) ? key.value : key) === name)?.key;
}

function firstLine({ code, message }: YAMLError): string {
  // Its own message is for whoever calls the parser.
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here; each scenario has a file of its own';
  return message.split('\n')[0] ?? message;
}

function bad(message: string): ShoalError {
  return new ShoalError('ERR_BAD_SCENARIO', message);
}
