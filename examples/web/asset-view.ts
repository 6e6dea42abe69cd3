import { ShoalError, type AssetEntry, type PageAsset } from 'shoal/browser';
import { say, showProgress } from './asset-state.ts';
import { revokeUrls, saveLink, urlOf } from './blob-urls.ts';
import { at, make } from './elements.ts';
import { keepFocus } from './focus.ts';
import { FolderFiles } from './folder-files.ts';
import { saveBelow } from './folder-saving.ts';
import { mediaKind, type MediaKind } from './media-kind.ts';
import type { Here } from './node.ts';
import { canSaveFolders, pickFolderToSave } from './pickers.ts';
import { hideProblem, showProblem } from './problem.ts';
import type { SwarmView } from './swarm-view.ts';
import { countText, plainText, sizeText } from './text.ts';

/** A film that is larger is fetched as far as it is watched, until somebody asks for all of it. */
const MOST_UNASKED_BYTES = 512e6;

/** How long the rest of a film waits for its first frame. */
const MOST_WAIT_MS = 3_000;

/** Most of a text that is shown. */
const MOST_TEXT_BYTES = 64 << 10;

/** `page 2` before `page 10`. */
const byName = new Intl.Collator(undefined, { numeric: true });

/** What is on the stage could not be shown, or not to its end. */
let hasFailed = false;

/** The card of what a link names: fetches it, shows or plays it, and lets it be saved. */
export class AssetView {
  readonly #here: Here;
  readonly #swarm: SwarmView;
  #stop = new AbortController();
  #asset: PageAsset | undefined;

  constructor(here: Here, swarm: SwarmView) {
    this.#here = here;
    this.#swarm = swarm;
    at('asset-stop').addEventListener('click', () => {
      hideProblem();
      location.hash = '';
    });
  }

  /** Ends what is under way, and hides the card. */
  close(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    void this.#asset?.close();
    this.#asset = undefined;
    clearStage();
    at('asset').hidden = true;
    revokeUrls();
    this.#swarm.hide();
  }

  /** Opens a link or CID, and does with it what its kind asks for. */
  async open(link: string): Promise<void> {
    this.close();
    hideProblem();
    const { signal } = this.#stop;
    const named = new URLSearchParams(link.split('?')[1]).get('n') ?? 'What this link names';
    at('asset-name').textContent = plainText(named);
    say('Looking for somebody who has it…');
    at('asset-stop').textContent = 'Stop';
    at('asset-files').hidden = true;
    at('asset-files').replaceChildren();
    at('asset-actions').replaceChildren();
    at('asset-progress').hidden = false;
    at('asset-progress', HTMLProgressElement).removeAttribute('value');
    at('start').hidden = true;
    at('asset').hidden = false;
    keepFocus();
    try {
      const asset = await this.#here.shoal.open(link, { signal });
      // It may have been told to stop at the last moment, here and wherever else something was waited for.
      signal.throwIfAborted();
      this.#asset = asset;
      at('asset-name').textContent = plainText(asset.name ?? asset.cid);
      document.title = `${plainText(asset.name ?? 'Shoal')} · Shoal`;
      const files: AssetEntry[] = [];
      for await (const entry of asset.entries({ signal })) if (entry.type === 'file') files.push(entry);
      // A large folder comes in the order of hashes.
      files.sort((a, b) => byName.compare(a.path, b.path));
      const size = files.reduce((sum, file) => sum + file.size, 0);
      const partHere = await this.#partHere(asset.cid, size);
      signal.throwIfAborted();
      this.#swarm.show(asset.cid, size, partHere);
      const [file] = files;
      if (asset.type === 'file' && file) await this.#showFile(asset, file, signal);
      else this.#showFolder(asset, files, size, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.close();
      // What could not be opened leaves nothing to look at but the start.
      at('start').hidden = false;
      const isHopeless = error instanceof ShoalError && /^ERR_(INVALID|UNSUPPORTED)_/.test(error.code);
      showProblem(error, isHopeless ? undefined : () => void this.open(link));
    }
  }

  async #partHere(cid: string, size: number): Promise<number> {
    for await (const known of this.#here.shoal.list())
      if (known.cid === cid && size > 0) return known.bytesHere / size;
    return 0;
  }

  async #showFile(asset: PageAsset, file: AssetEntry, signal: AbortSignal): Promise<void> {
    const name = file.path.split('/').at(-1) || asset.name || asset.cid;
    const kind = mediaKind(name);
    if (kind === 'video' || kind === 'audio' || kind === 'image') {
      const isPlaying = await this.#play(asset, file, kind);
      if (isPlaying && file.size > MOST_UNASKED_BYTES) {
        at('asset-progress').hidden = true;
        say(`${sizeText(file.size)}, fetched as you watch.`);
        const all = make('button', { type: 'button' }, 'Fetch all of it');
        all.onclick = () => {
          all.remove();
          keepFocus();
          at('asset-progress').hidden = false;
          void this.#fetch(asset, file, name, kind, signal);
        };
        at('asset-actions').replaceChildren(all);
        return;
      }
      // What is looked at comes first; the rest follows when it is on the screen.
      if (isPlaying) await shown(signal);
    }
    await this.#fetch(asset, file, name, kind, signal);
  }

  /** Fetches a file to its end, and offers to save it. */
  async #fetch(
    asset: PageAsset,
    file: AssetEntry,
    name: string,
    kind: MediaKind,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const { blob, durationMs } = await asset.save({
        path: file.path || undefined,
        onProgress: showProgress,
        signal,
      });
      signal.throwIfAborted();
      at('asset-progress', HTMLProgressElement).value = 1;
      say(
        `All of it is here and checked: ${sizeText(blob.size)} in ${(durationMs / 1000).toFixed(1)} s. While this page is open, others fetch it from you.`,
      );
      at('asset-stop').textContent = 'Close';
      this.#swarm.complete();
      at('asset-actions').replaceChildren(saveLink(blob, name));
      if (at('stage').hidden || hasFailed) await showBlob(blob, kind, signal);
      else onFailureToBegin(() => void showBlob(blob, kind, signal));
    } catch (error) {
      if (signal.aborted) return;
      say('It stopped before all of it was here. What came is kept.');
      showProblem(error, () => void this.#fetch(asset, file, name, kind, signal));
    }
  }

  /** @returns whether it can be played while it arrives */
  async #play(asset: PageAsset, file: AssetEntry, kind: 'video' | 'audio' | 'image'): Promise<boolean> {
    const media = await this.#here.media;
    if (!media || asset !== this.#asset) return false;
    showMedia(kind, media.url(asset, file.path), file.path || asset.name || '');
    return true;
  }

  #showFolder(asset: PageAsset, files: readonly AssetEntry[], size: number, signal: AbortSignal): void {
    at('asset-stop').textContent = 'Close';
    at('asset-progress').hidden = true;
    const what = `${countText(files.length, 'file')}, ${sizeText(size)}.`;
    say(
      canSaveFolders
        ? what
        : `${what} This browser cannot save a folder as a whole: save its files one by one.`,
    );
    const list = new FolderFiles(asset, files, {
      signal,
      play: (file, kind) => void this.#play(asset, file, kind),
      canPlay: this.#here.media.then((media) => media !== undefined),
      onAllHere: () => this.#swarm.complete(),
    });
    list.show();
    if (asset.type === 'symlink') {
      say('A symbolic link, which a page has no use for.');
      return;
    }
    const actions = [
      ...(files.length > 0 ? [list.allButton()] : []),
      ...(canSaveFolders ? [this.#saveButton(asset, signal)] : []),
    ];
    at('asset-actions').replaceChildren(...actions);
  }

  #saveButton(asset: PageAsset, signal: AbortSignal): HTMLButtonElement {
    const button = make('button', { type: 'button', className: 'quiet' }, 'Save into a folder');
    let isSaving = false;
    const save = async (picked: FileSystemDirectoryHandle): Promise<void> => {
      at('asset-progress').hidden = false;
      at('asset-stop').textContent = 'Stop';
      const { name, files, bytes, filesWritten, linksSkipped } = await saveBelow(picked, asset, {
        onProgress: showProgress,
        signal,
      });
      const links =
        linksSkipped.length > 0 ? ` ${countText(linksSkipped.length, 'link')} could not be made.` : '';
      say(
        `All of it is in the folder “${plainText(name)}”, and checked: ${countText(files, 'file')}, ${sizeText(bytes)}.${links}`,
      );
      if (filesWritten > 0) this.#swarm.complete();
    };
    const start = async (picked?: FileSystemDirectoryHandle): Promise<void> => {
      if (isSaving) return;
      isSaving = true;
      let to = picked;
      try {
        to ??= await pickFolderToSave();
        if (to && !signal.aborted) await save(to);
      } catch (error) {
        if (signal.aborted) return;
        say('It stopped before all of it was in the folder. What came is kept.');
        showProblem(error, to && (() => void start(to)));
      } finally {
        isSaving = false;
        if (!signal.aborted) at('asset-stop').textContent = 'Close';
      }
    };
    button.onclick = () => void start();
    return button;
  }
}

function showMedia(kind: 'video' | 'audio' | 'image', source: string, name: string): void {
  clearStage();
  const stage = at('stage');
  const note = at('stage-note');
  if (kind === 'image') {
    const image = make('img', { src: source, alt: plainText(name) });
    image.onerror = () => (hasFailed = true);
    stage.append(image);
  } else {
    const player = make(kind, { src: source, controls: true, preload: 'auto' });
    player.setAttribute('aria-label', plainText(name));
    if (player instanceof HTMLVideoElement) player.playsInline = true;
    let reached: number | undefined;
    player.ontimeupdate = () => (reached = player.currentTime || reached);
    player.onloadedmetadata = () => (reached ??= 0);
    player.onerror = () => {
      hasFailed = true;
      // What has begun is of a kind that can be played.
      if (reached === undefined && player.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) {
        note.textContent =
          'This browser cannot play this kind of file. It can be saved and played elsewhere.';
      } else {
        const goOn = make('button', { type: 'button', className: 'quiet' }, 'Play on');
        goOn.onclick = () => playOn(player, reached ?? 0);
        note.replaceChildren('Playing stopped, as nobody gave the rest of it. ', goOn);
      }
      note.hidden = false;
    };
    stage.append(player);
  }
  stage.hidden = false;
}

/** What is on the stage was asked for before, and may still fail. */
function onFailureToBegin(act: () => void): void {
  const media = at('stage').firstElementChild;
  media?.addEventListener(
    'error',
    () => {
      if (!(media instanceof HTMLMediaElement) || media.readyState === HTMLMediaElement.HAVE_NOTHING) act();
    },
    { once: true },
  );
}

/** A player that has failed asks for nothing any more, whatever is pressed on it. */
function playOn(player: HTMLMediaElement, from: number): void {
  hasFailed = false;
  player.focus();
  at('stage-note').hidden = true;
  player.load();
  player.currentTime = from;
  // Where it fails once more, it says so.
  player.play().catch(() => undefined);
}

/** Resolves when what is on the stage shows its first frame, or cannot. */
async function shown(signal: AbortSignal): Promise<void> {
  const media = at('stage').firstElementChild;
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const event of ['loadeddata', 'load', 'error'])
    media?.addEventListener(event, () => resolve(), { once: true });
  signal.addEventListener('abort', () => resolve(), { once: true });
  // Some phones load nothing of a film before a finger starts it.
  const timer = setTimeout(resolve, MOST_WAIT_MS);
  await promise;
  clearTimeout(timer);
  signal.throwIfAborted();
}

/** Takes away what is shown; a player lets go of what it was fetching. */
function clearStage(): void {
  hasFailed = false;
  for (const player of at('stage').querySelectorAll<HTMLMediaElement>('video, audio')) {
    player.onerror = null;
    player.removeAttribute('src');
    player.load();
  }
  at('stage').replaceChildren();
  at('stage').hidden = true;
  at('stage-note').hidden = true;
}

/** What could not be played while it came, once it is here. */
async function showBlob(blob: Blob, kind: MediaKind, signal: AbortSignal): Promise<void> {
  if (kind === 'video' || kind === 'audio' || kind === 'image') {
    showMedia(kind, urlOf(blob), '');
  } else if (kind === 'text') {
    const text = await blob.slice(0, MOST_TEXT_BYTES).text();
    signal.throwIfAborted();
    at('stage').replaceChildren(make('pre', { tabIndex: 0 }, text));
    at('stage').hidden = false;
    at('stage-note').textContent = `The first ${sizeText(MOST_TEXT_BYTES)} of it.`;
    at('stage-note').hidden = blob.size <= MOST_TEXT_BYTES;
  }
}
