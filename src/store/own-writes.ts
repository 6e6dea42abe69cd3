import { Bitfield } from '../swarm/core/bitfield.ts';
import { FileStamps, stampOf, type FileStamp } from './file-stamps.ts';

/** Gives the stamp of a file, see {@link lookAt}. */
type Look = () => FileStamp | Promise<FileStamp>;

/** Writes to one file that are under way. */
interface Turn {
  writers: number;
  /** The file has been looked at before them; or after those that came before. */
  ready: Promise<void>;
}

/**
 * Tells to which files of a partial somebody else wrote, by their size and time: looked at before own writes and after
 * them, they are the same where nobody did. To hash all at the end would cost a large download another pass over the disk.
 *
 * What leaves no other time is not noticed: a write in the very moment of an own one to that file, and a disk that fails.
 */
export class OwnWrites {
  readonly #stamps: FileStamps;
  readonly #known: Bitfield;
  readonly #suspects = new Set<number>();
  readonly #turns = new Map<number, Turn>();

  /** @param entries of the manifest */
  constructor(entries: number) {
    this.#stamps = new FileStamps(entries);
    this.#known = new Bitfield(entries);
  }

  /** Runs `write`, an own write to a file. @param look gives its stamp. Where that fails somebody else may have written */
  async run(file: number, look: Look, write: () => Promise<void>): Promise<void> {
    let turn = this.#turns.get(file);
    if (!turn) {
      turn = { writers: 0, ready: this.#look(file, look, (stamp) => this.#see(file, stamp)) };
      this.#turns.set(file, turn);
    }
    turn.writers++;
    try {
      await turn.ready;
      await write();
    } finally {
      turn.writers--;
      if (turn.writers === 0) {
        turn.ready = this.#look(file, look, (stamp) => this.note(file, stamp));
        await turn.ready;
        if (turn.writers === 0) this.#turns.delete(file);
      }
    }
  }

  /** An own write, before and after which the file was looked at. */
  wrote(file: number, before: FileStamp, after: FileStamp): void {
    this.#see(file, before);
    this.note(file, after);
  }

  /** A file is read that nothing may be known of yet. */
  async noteFirst(file: number, look: Look): Promise<void> {
    if (this.#known.has(file)) return;
    await this.#look(file, look, (stamp) => {
      if (!this.#known.has(file) && !this.#turns.has(file)) this.note(file, stamp);
    });
  }

  /** What the file is now is known to be right, or will be. */
  note(file: number, stamp: FileStamp): void {
    this.#stamps.set(file, stampOf(stamp));
    this.#known.set(file);
  }

  /** The file has been hashed, or is about to be, since the stamp was taken. */
  settle(file: number, stamp: FileStamp): void {
    this.#suspects.delete(file);
    this.note(file, stamp);
  }

  /** Whether somebody else may have written to a file, which is now what `stamps` say. */
  isSuspect(file: number, stamps: FileStamps): boolean {
    if (this.#suspects.has(file)) return true;
    return this.#known.has(file) && !this.#stamps.equals(file, stamps.get(file));
  }

  #see(file: number, stamp: FileStamp): void {
    if (!this.#known.has(file)) this.note(file, stamp);
    else if (!this.#stamps.equals(file, stamp)) this.#suspects.add(file);
  }

  async #look(file: number, look: Look, then: (stamp: FileStamp) => void): Promise<void> {
    try {
      const stamp = look();
      then(stamp instanceof Promise ? await stamp : stamp);
    } catch {
      this.#suspects.add(file);
    }
  }
}
