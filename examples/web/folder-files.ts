import type { AssetEntry, PageAsset, Progress } from 'shoal/browser';
import { say, showProgress } from './asset-state.ts';
import { saveLink } from './blob-urls.ts';
import { at, make } from './elements.ts';
import { keepFocus } from './focus.ts';
import { mediaKind } from './media-kind.ts';
import { showProblem } from './problem.ts';
import { countText, plainText, sizeText } from './text.ts';

/** Rows made at a time: a browser stands still for seconds over some ten thousand. */
const ROWS_AT_A_TIME = 500;

/** Files fetched side by side: one after the other each small one would wait for an answer of its own. */
const PARALLEL_FILES = 16;

/** What a {@link FolderFiles} needs of the card it is in. */
interface FolderFilesOptions {
  signal: AbortSignal;
  /** Plays or shows a file while it arrives. */
  play(file: AssetEntry, kind: 'video' | 'audio' | 'image'): void;
  /** Whether that can be done; else only what is here in full can be shown. */
  canPlay: Promise<boolean>;
  onAllHere(): void;
}

/** The files of a folder as rows: each can be fetched, shown and saved, and all of them fetched. */
export class FolderFiles {
  readonly #asset: PageAsset;
  readonly #files: readonly AssetEntry[];
  readonly #options: FolderFilesOptions;
  readonly #here = new Set<AssetEntry>();
  readonly #fetching = new Map<AssetEntry, Promise<void>>();
  /** Of files in whose rows there is nothing to save yet. */
  readonly #buttons = new Map<AssetEntry, HTMLButtonElement>();
  #rows = 0;
  /** What was asked for since nothing was: what is here of each file, of all of them, and how much that will be. */
  readonly #counted = new Map<AssetEntry, number>();
  #bytes = 0;
  #total = 0;
  #asked = 0;

  constructor(asset: PageAsset, files: readonly AssetEntry[], options: FolderFilesOptions) {
    this.#asset = asset;
    this.#files = files;
    this.#options = options;
  }

  /** Shows the first rows, in place of those of another folder. */
  show(): void {
    at('asset-files').replaceChildren();
    at('asset-files').hidden = false;
    this.#showMore();
  }

  /** A button to fetch what is not here. */
  allButton(): HTMLButtonElement {
    const all = make('button', { type: 'button' }, 'Fetch all of it');
    const fetchAll = async (): Promise<void> => {
      all.hidden = true;
      keepFocus();
      try {
        await this.#get(this.#files.filter((file) => !this.#here.has(file)));
        const size = this.#files.reduce((sum, file) => sum + file.size, 0);
        say(
          `All of it is here and checked: ${countText(this.#files.length, 'file')}, ${sizeText(size)}. While this page is open, others fetch it from you.`,
        );
      } catch (error) {
        if (this.#options.signal.aborted) return;
        all.hidden = false;
        say('It stopped before all of it was here. What came is kept.');
        showProblem(error, () => void fetchAll());
      }
    };
    all.onclick = () => void fetchAll();
    return all;
  }

  async #getOne(file: AssetEntry): Promise<void> {
    const title = plainText(file.path);
    try {
      await this.#get([file]);
      say(`${title} is here and checked.`);
    } catch (error) {
      if (this.#options.signal.aborted) return;
      say(`${title} is not all here. What came is kept.`);
      showProblem(error, () => void this.#getOne(file));
    }
  }

  /** Fetches files, and shows how far that is. The first that fails ends it: nobody may be there who has the others. */
  async #get(files: readonly AssetEntry[]): Promise<void> {
    for (const file of files) {
      if (this.#counted.has(file)) continue;
      this.#counted.set(file, 0);
      this.#total += file.size;
    }
    this.#asked++;
    at('asset-progress').hidden = false;
    const waiting = files.values();
    let hasFailed = false;
    const fetchSome = async (): Promise<void> => {
      // All take from the same.
      for (const file of waiting) {
        if (hasFailed) return;
        await this.#fetch(file);
      }
    };
    const fetchers = Array.from({ length: PARALLEL_FILES }, () =>
      fetchSome().catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    );
    try {
      await Promise.all(fetchers);
    } finally {
      await Promise.allSettled(fetchers);
      if (--this.#asked === 0) this.#rest();
    }
    if (this.#here.size === this.#files.length) this.#options.onAllHere();
  }

  /** Nothing is asked for any more. */
  #rest(): void {
    this.#counted.clear();
    this.#bytes = 0;
    this.#total = 0;
    if (!this.#options.signal.aborted) at('asset-progress').hidden = true;
  }

  #fetch(file: AssetEntry): Promise<void> {
    const fetching = this.#fetching.get(file) ?? this.#save(file).finally(() => this.#fetching.delete(file));
    this.#fetching.set(file, fetching);
    return fetching;
  }

  async #save(file: AssetEntry): Promise<void> {
    const button = this.#buttons.get(file);
    const isFocused = button === document.activeElement;
    if (button) button.disabled = true;
    try {
      const { signal } = this.#options;
      const onProgress = (progress: Progress): void => this.#count(file, progress);
      const { blob } = await this.#asset.save({ path: file.path, onProgress, signal });
      signal.throwIfAborted();
      this.#here.add(file);
      const link = saveLink(blob, file.path.split('/').at(-1) ?? '');
      this.#buttons.get(file)?.replaceWith(link);
      this.#buttons.delete(file);
      if (isFocused) link.focus();
    } finally {
      if (button) button.disabled = false;
      if (isFocused) button?.focus();
    }
  }

  #count(file: AssetEntry, progress: Progress): void {
    const before = this.#counted.get(file);
    if (before === undefined) return;
    // A file that repeats itself has fewer bytes to fetch than it has.
    const bytes = progress.phase === 'done' ? file.size : Math.min(file.size, progress.bytes);
    this.#counted.set(file, bytes);
    this.#bytes += bytes - before;
    showProgress({ ...progress, bytes: this.#bytes, total: this.#total });
  }

  /** @returns the first new row */
  #showMore(): HTMLLIElement | undefined {
    const rows = this.#files.slice(this.#rows, this.#rows + ROWS_AT_A_TIME).map((file) => this.#row(file));
    this.#rows += rows.length;
    at('asset-files').append(...rows);
    const left = this.#files.length - this.#rows;
    if (left > 0) {
      const text = `Show ${Math.min(left, ROWS_AT_A_TIME)} more of ${left}`;
      const more = make('button', { type: 'button', className: 'quiet' }, text);
      const row = make('li', {}, more);
      more.onclick = () => {
        row.remove();
        this.#showMore()?.querySelector<HTMLElement>('button, a')?.focus();
      };
      at('asset-files').append(row);
    }
    return rows[0];
  }

  #row(file: AssetEntry): HTMLLIElement {
    const kind = mediaKind(file.path);
    const title = plainText(file.path);
    const row = make(
      'li',
      {},
      make('span', { className: 'name' }, title),
      make('span', { className: 'size' }, sizeText(file.size)),
    );
    if (kind === 'video' || kind === 'audio' || kind === 'image') {
      const show = make('button', { type: 'button' }, kind === 'image' ? 'Show' : 'Play');
      show.setAttribute('aria-label', `${show.textContent} ${title}`);
      show.onclick = () => this.#options.play(file, kind);
      void this.#options.canPlay.then((can) => (show.hidden = !can));
      row.append(show);
    }
    const get = make('button', { type: 'button', className: 'quiet' }, 'Fetch');
    get.setAttribute('aria-label', `Fetch ${title}`);
    get.onclick = () => void this.#getOne(file);
    this.#buttons.set(file, get);
    row.append(get);
    // It came before it had a row.
    if (this.#here.has(file)) this.#fetch(file).catch(() => undefined);
    return row;
  }
}
