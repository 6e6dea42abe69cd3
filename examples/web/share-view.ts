import { encodeQR } from 'qr';
import {
  ShoalError,
  type PageAsset,
  type PageFile,
  type PickedHandle,
  type ShoalEvents,
} from 'shoal/browser';
import { at } from './elements.ts';
import { keepFocus } from './focus.ts';
import type { Here } from './node.ts';
import { hideProblem, showProblem } from './problem.ts';
import type { SwarmView } from './swarm-view.ts';
import { countText, plainText, sizeText } from './text.ts';

/** What was dropped or chosen. */
export interface Chosen {
  name: string;
  files: File | PageFile[] | PickedHandle[];
  /** Undefined: it is found out when it is read. */
  bytes: number | undefined;
}

/** This machine: another device gets nowhere with it. */
const LOOPBACK = /^a=\/(ip4\/127\.|ip6\/::1\/)/;

/** The card of what is shared from here: its link, the code to scan, and who got how much. */
export class ShareView {
  readonly #here: Here;
  readonly #swarm: SwarmView;
  #stop = new AbortController();
  #asset: PageAsset | undefined;
  /** It was fetched here before: stopping to share it does not throw it away. */
  #isKept = false;
  /** The browser remembers where it lies: it is shared until that is stopped, and listed at the start. */
  #isRemembered = false;

  constructor(here: Here, swarm: SwarmView) {
    this.#here = here;
    this.#swarm = swarm;
    at('shared-stop').addEventListener('click', () => {
      hideProblem();
      void this.close(true).then(() => this.onStop());
    });
    here.shoal.addEventListener('addresses:change', () => this.#showLink());
    here.shoal.addEventListener('asset:error', ({ detail }) => this.#failed(detail));
    for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-copy]'))
      button.addEventListener('click', () => void copy(button));
  }

  /** Called when it is no longer shared. */
  onStop: () => void = () => undefined;

  /** Tells what was given so far. */
  update(): void {
    if (!this.#asset) return;
    const { bytes, peers } = this.#swarm.given();
    at('shared-given').textContent =
      bytes > 0
        ? `Given so far: ${sizeText(bytes)} to ${countText(peers, 'peer')}.`
        : 'Nobody has fetched it yet.';
  }

  /** Hides the card. @param isStopped whether also what can be shared again is to be forgotten */
  async close(isStopped = false): Promise<void> {
    this.#stop.abort();
    this.#stop = new AbortController();
    const asset = this.#asset;
    this.#asset = undefined;
    if (!at('shared').hidden) this.#swarm.hide();
    at('shared').hidden = true;
    at('start').hidden = false;
    keepFocus();
    if (!asset) return;
    await asset.close();
    if (!this.#isKept && (isStopped || !this.#isRemembered))
      await this.#here.shoal.remove(asset.cid).catch(() => undefined);
  }

  /** Shows what is shared already, as by an earlier visit. */
  async show(cid: string): Promise<void> {
    if (this.#asset?.cid !== cid) await this.close();
    hideProblem();
    try {
      const asset = await this.#here.shoal.open(cid);
      this.#asset = asset;
      this.#isKept = false;
      this.#isRemembered = true;
      let bytes = 0;
      for await (const entry of asset.entries()) bytes += entry.size;
      at('start').hidden = true;
      at('shared').hidden = false;
      keepFocus();
      at('shared-progress').hidden = true;
      at('shared-name').textContent = plainText(asset.name ?? cid);
      this.#ready(bytes);
    } catch (error) {
      showProblem(error);
    }
  }

  async share({ name, files, bytes: size }: Chosen): Promise<void> {
    await this.close();
    hideProblem();
    const { signal } = this.#stop;
    const progress = at('shared-progress', HTMLProgressElement);
    at('start').hidden = true;
    at('shared').hidden = false;
    keepFocus();
    at('shared-ready').hidden = true;
    at('shared-given').textContent = '';
    at('shared-name').textContent = plainText(name);
    let bytes = size ?? 0;
    at('shared-state').textContent =
      `Reading ${size === undefined ? 'it' : sizeText(size)} once, for its fingerprint…`;
    progress.hidden = false;
    progress.value = 0;
    try {
      const kept = new Set<string>();
      for await (const { cid, state } of this.#here.shoal.list()) if (state !== 'shared') kept.add(cid);
      const asset = await this.#here.shoal.share(files instanceof File ? files : [...files], {
        name,
        signal,
        onProgress: ({ bytes: read, total = bytes }) => {
          bytes = total;
          progress.value = total > 0 ? read / total : 1;
        },
      });
      const isKept = kept.has(asset.cid);
      // What was picked, but not by a page without storage, as a second tab is.
      const isRemembered = (await this.#here.shoal.shareAgain({ cid: asset.cid })).length > 0;
      if (signal.aborted) {
        // It was shared all the same: that was done already.
        await asset.close();
        if (!isKept) await this.#here.shoal.remove(asset.cid);
        return;
      }
      this.#asset = asset;
      this.#isKept = isKept;
      this.#isRemembered = isRemembered;
      this.#ready(bytes);
    } catch (error) {
      if (signal.aborted) return;
      await this.close();
      showProblem(error);
    } finally {
      // Else it is that of what is shared in its place.
      if (!signal.aborted) progress.hidden = true;
    }
  }

  #ready(bytes: number): void {
    at('shared-state').textContent = `${sizeText(bytes)}, shared for as long as this page is open.`;
    at('shared-ready').hidden = false;
    this.#showLink();
    if (this.#asset) this.#swarm.show(this.#asset.cid, bytes, 1);
    this.update();
  }

  /** Whoever asks for it finds out that its files are no longer what they were, or cannot be read. */
  #failed({ cid, code, message }: ShoalEvents['asset:error']['detail']): void {
    if (cid !== this.#asset?.cid) return;
    if (code === 'ERR_FILE_CHANGED') {
      at('shared-state').textContent = 'No longer shared: it has changed.';
      at('shared-ready').hidden = true;
    }
    showProblem(new ShoalError(code, message));
  }

  #showLink(): void {
    if (!this.#asset) return;
    const { link } = this.#asset;
    const isPublic = !/^(localhost|127\.|\[::1\])/.test(location.hostname);
    const page = `${location.origin}${location.pathname}#${link}`;
    at('shared-link', HTMLInputElement).value = link;
    at('shared-page', HTMLInputElement).value = page;
    at('shared-page-part').hidden = !isPublic;
    const hasAddress = link.includes('a=');
    at('shared-reach').textContent = hasAddress
      ? ''
      : this.#here.hostPeer === undefined
        ? 'No node that helps pages to meet is connected, so that nobody can reach this page yet. Open this page from "shoal web", or open a link of a node first.'
        : 'Not reachable yet: waiting for the node of this site…';
    at('shared-reach').hidden = hasAddress;
    showCode(isPublic ? page : link, isPublic);
  }
}

function showCode(link: string, isPublic: boolean): void {
  const [head = '', query = ''] = link.split('?');
  const parts = query.split('&');
  const addresses = parts.filter((part) => part.startsWith('a='));
  // One address: with more the code gets too fine to be read from a screen.
  const address = addresses.find((each) => !LOOPBACK.test(each)) ?? addresses[0];
  const kept = [...parts.filter((part) => !part.startsWith('a=')), ...(address ? [address] : [])];
  const code = at('shared-qr');
  const text = at('shared-qr-text');
  try {
    const svg = encodeQR(`${head}?${kept.join('&')}`, 'svg', { ecc: 'low', border: 1 });
    code.replaceChildren(new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement);
    code.hidden = false;
    text.textContent = isPublic
      ? 'Scan it with a phone.'
      : 'The link, for another device. A phone opens it in a page like this one that is served over https.';
  } catch {
    code.hidden = true;
    text.textContent = 'The link is too long for a code.';
  }
}

async function copy(button: HTMLButtonElement): Promise<void> {
  const field = at(button.dataset['copy'] ?? '', HTMLInputElement);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl-C';
  }
  setTimeout(() => (button.textContent = 'Copy'), 2000);
}
