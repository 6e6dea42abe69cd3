import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RATES, type Command } from './command.ts';
import { Dice } from './dice.ts';
import { differences, listContent, makeContent } from './made-tree.ts';
import { Origin } from './origin.ts';
import { Person } from './person.ts';

/** Nothing was done to anybody for so long, and somebody is still not done: that is a stall. */
const STALLED_MS = 120_000;

/** So long after the last trouble somebody who has it is to be found. */
const FOUND_MS = 45_000;

/** Who has been in the swarm for so long knows others than the origin. */
const KNOWN_MS = 5_000;

/** A command waits a little longer than this for one that holds its data folder and says nothing, not even where it is. */
const PATIENCE_MS = 4_000;

/** How long trouble goes on. */
const TROUBLE_MS = 20_000;

export interface RoundResult {
  /** What was shared and done, in a few words. */
  story: string;
  /** What is wrong; empty where all is well. */
  faults: string[];
}

/**
 * One round: real processes share and fetch what was made from the seed, and meanwhile are killed, interrupted, frozen,
 * and started again, and what they left on disk is damaged. In the end everybody has to have exactly what was shared.
 *
 * @param folder empty, and the round's own
 */
export async function playRound(seed: number, folder: string): Promise<RoundResult> {
  const dice = new Dice(seed);
  const source = await makeContent(dice, folder, 'asset');
  const expected = await listContent(source);
  const common = ['--json', '--no-mdns', '--network', `soak-${process.pid}-${seed}`, '--log-level', 'debug'];
  const limits = dice.chance(0.8) ? ['--upload-limit', dice.pick(RATES)] : [];
  const listen = ['--listen', `/ip4/127.0.0.1/tcp/${20_000 + (seed % 20_000)}`];
  const origin = new Origin(source, folder, [...common, ...listen, ...limits]);
  const sharing = await origin.sharing();
  if (!sharing) return { story: 'nothing was shared', faults: ['the origin ended before it shared'] };
  const people: Person[] = [];
  const count = dice.int(1, 5);
  for (let n = 0; n < count; n++) {
    const address = (sharing['addresses'] as string[])[0] ?? '';
    const byCid = [String(sharing['cid']), dice.pick(['--peer', '--bootstrap']), address];
    const args = [...(dice.chance(0.6) ? [String(sharing['link'])] : byCid), ...common];
    // Commands on one data folder work for each other: one owns it, and the others take over when it dies.
    const data = n > 0 && dice.chance(0.3) ? people[n - 1]?.data : undefined;
    people.push(new Person({ name: `p${n}`, folder, data, args, dice }));
  }
  const round = new Round(dice, origin, people, expected);
  await round.play();
  for (const each of differences(expected, await listContent(source)))
    round.faults.add(`the original: ${each}`);
  const folders = new Set(people.map(({ data }) => data)).size;
  const story = [`${expected.size} entries, ${count} people, ${folders} data folders`, ...round.story];
  return { story: story.join('; '), faults: [...round.faults] };
}

class Round {
  readonly story: string[] = [];
  readonly faults = new Set<string>();
  readonly #dice: Dice;
  readonly #origin: Origin;
  readonly #people: readonly Person[];
  readonly #expected: Map<string, string>;
  readonly #frozen = new Set<Command>();
  readonly #began = Date.now();
  #lastTroubleAt = Date.now();
  /** When the origin was killed for good. */
  #goneAt = -Infinity;

  constructor(dice: Dice, origin: Origin, people: readonly Person[], expected: Map<string, string>) {
    this.#dice = dice;
    this.#origin = origin;
    this.#people = people;
    this.#expected = expected;
  }

  async play(): Promise<void> {
    let troubleAt = this.#began + this.#dice.int(500, 3000);
    while (this.#people.some(({ isDone }) => !isDone) && this.#isGoingOn()) {
      const now = Date.now();
      if (this.#origin.look(now)) this.#lastTroubleAt = now;
      for (const person of this.#people) await this.#attend(person);
      if (now >= troubleAt && now - this.#began < TROUBLE_MS) {
        this.#trouble();
        troubleAt = now + this.#dice.int(300, 3000);
      }
      await sleep(50);
    }
    const commands = [this.#origin.command, ...this.#people.flatMap(({ command }) => command ?? [])];
    for (const command of commands) command.signal('SIGKILL');
    await Promise.all(commands.map(({ exited }) => exited));
    for (const { name, faults } of this.#people)
      for (const fault of faults) this.faults.add(`${name}: ${fault}`);
  }

  #isGoingOn(): boolean {
    if (this.#origin.isThere && !this.#origin.command.isRunning)
      this.faults.add('the origin ended by itself');
    const late = this.#people.filter(({ isDone }) => !isDone).map(({ name }) => name);
    if (Date.now() - this.#lastTroubleAt > STALLED_MS) this.faults.add(`stalled: ${late.join(', ')}`);
    return this.faults.size === 0;
  }

  async #attend(person: Person): Promise<void> {
    const now = Date.now();
    if (!person.isDone && !person.command && now >= person.startsAt) {
      // Whom only the origin's address was told cannot know where to go when it is gone for good.
      const keeper = this.#people.find(({ servesAt }) => servesAt)?.servesAt;
      await person.start(this.#origin.backAt === Infinity && keeper ? ['--peer', keeper] : []);
      this.#lastTroubleAt = Math.max(this.#lastTroubleAt, now);
    }
    if (!(await person.look(this.#expected))) return;
    if (person.foundNobody) {
      this.#tell(`${person.name} found nobody`);
      if (now - this.#lastTroubleAt > FOUND_MS)
        this.faults.add(`${person.name} found nobody, long after trouble`);
      const isKept = this.#people.some(({ servesAt }) => servesAt);
      if (isKept && this.#goneAt - person.startedAt > KNOWN_MS)
        this.faults.add(`${person.name} found nobody, though another has it, since the origin is gone`);
    }
    if (this.#dice.chance(0.3)) await this.#damage(person.folder);
    person.startsAt = Date.now() + this.#dice.int(0, 2000);
  }

  #trouble(): void {
    const origin = this.#origin;
    const what = this.#dice.pick(['kill', 'kill', 'interrupt', 'freeze', 'origin', 'origin-freeze', '', '']);
    if (what === '') return;
    this.#lastTroubleAt = Date.now();
    if (what.startsWith('origin')) {
      if (!origin.isThere || this.#frozen.has(origin.command)) return;
      if (what === 'origin-freeze') this.#freeze(origin.command, 'origin');
      else this.#killOrigin();
      return;
    }
    const running = this.#people.filter(
      ({ isFetching, command }) => isFetching && !this.#frozen.has(command as Command),
    );
    if (running.length === 0) return;
    const person = this.#dice.pick(running);
    const command = person.command as Command;
    if (what === 'freeze')
      this.#freeze(command, person.name, this.#sharesFolder(person) ? PATIENCE_MS : undefined);
    else {
      this.#tell(`${person.name} ${what}`);
      command.signal(what === 'interrupt' ? this.#dice.pick(['SIGINT', 'SIGTERM']) : 'SIGKILL');
    }
  }

  /** For good, where somebody else has everything and stays. */
  #killOrigin(): void {
    const isLast = this.#people.some(({ servesAt }) => servesAt);
    this.#tell(isLast ? 'origin killed for good' : 'origin killed');
    if (isLast) this.#goneAt = Date.now();
    this.#origin.kill(isLast ? Infinity : Date.now() + this.#dice.int(200, 8000));
  }

  #sharesFolder({ data }: Person): boolean {
    return this.#people.filter((other) => other.data === data).length > 1;
  }

  #freeze(command: Command, name: string, longestMs = 8000): void {
    const ms = this.#dice.int(500, longestMs);
    this.#tell(`${name} frozen for ${ms} ms`);
    this.#frozen.add(command);
    command.signal('SIGSTOP');
    setTimeout(() => {
      command.signal('SIGCONT');
      this.#frozen.delete(command);
      this.#lastTroubleAt = Date.now();
    }, ms);
  }

  /** Spoils what a download left beside its target: a few bytes, or the end. */
  async #damage(folder: string): Promise<void> {
    const files: string[] = [];
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }))
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
    if (files.length === 0) return;
    const file = this.#dice.pick(files);
    if (this.#dice.chance(0.1)) {
      this.#tell('partial removed');
      return rm(file);
    }
    await using handle = await open(file, 'r+');
    const { size } = await handle.stat();
    if (this.#dice.chance(0.3)) {
      this.#tell('partial truncated');
      await handle.truncate(this.#dice.int(0, size));
    } else {
      const length = Math.min(100, size);
      this.#tell('partial spoilt');
      await handle.write(this.#dice.bytes(length), 0, length, this.#dice.int(0, size - length));
    }
  }

  #tell(what: string): void {
    this.story.push(`${((Date.now() - this.#began) / 1000).toFixed(1)} ${what}`);
  }
}
