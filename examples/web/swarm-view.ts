import type { ShoalEvents } from 'shoal/browser';
import { at, make } from './elements.ts';
import type { Here } from './node.ts';
import { SwarmPicture } from './swarm-picture.ts';
import { countText, peerText, sizeText } from './text.ts';

const SAMPLE_MS = 500;

/** The speed is that of the last two seconds, and the line that of the last half minute. */
const WINDOW_SAMPLES = 4;
const LINE_SAMPLES = 60;

/** What one peer gave and got, of the asset that is looked at. */
interface Tally {
  got: number;
  given: number;
}

/** What moved in some time: the timer of a tab that nobody looks at comes late. */
interface Sample {
  bytes: number;
  ms: number;
}

/** The card with the picture, the speed and who gave what, of one asset at a time. */
export class SwarmView {
  readonly #here: Here;
  readonly #picture = new SwarmPicture(at('picture', HTMLCanvasElement));
  readonly #connected = new Set<string>();
  readonly #tallies = new Map<string, Tally>();
  readonly #samples: Sample[] = [];
  #cid: string | undefined;
  #size = 0;
  #chunks = 0;
  /** The part of it that was here when it was shown. */
  #before = 0;
  #moved = 0;
  #sampledMs = 0;

  constructor(here: Here) {
    this.#here = here;
    const { shoal } = here;
    shoal.addEventListener('peer:connect', ({ detail }) => this.#connection(detail.peer, true));
    shoal.addEventListener('peer:disconnect', ({ detail }) => this.#connection(detail.peer, false));
    shoal.addEventListener('asset:chunk', ({ detail }) => this.#arrived(detail));
    shoal.addEventListener('asset:upload', ({ detail }) => this.#gave(detail));
    setInterval(() => this.#sample(), SAMPLE_MS);
  }

  get peers(): number {
    return this.#connected.size;
  }

  /** Called when somebody comes or goes. */
  onPeers: () => void = () => undefined;

  /**
   * Shows an asset.
   *
   * @param size its bytes, as far as they are known
   * @param here the part of it that is here already, from 0 to 1
   */
  show(cid: string, size: number, here: number): void {
    this.#cid = cid;
    this.#tallies.clear();
    const none = Array.from({ length: LINE_SAMPLES }, () => ({ bytes: 0, ms: SAMPLE_MS }));
    this.#samples.splice(0, Infinity, ...none);
    this.#moved = 0;
    this.#sampledMs = performance.now();
    this.#before = here;
    this.#size = size;
    this.#chunks = likelyChunks(size);
    at('swarm').hidden = false;
    this.#picture.start(this.#chunks, here, this.#here.hostPeer);
    this.#picture.connect(this.#connected);
    this.#table();
    this.#sample();
  }

  /** All of it is here. */
  complete(): void {
    this.#picture.complete();
  }

  hide(): void {
    this.#cid = undefined;
    at('swarm').hidden = true;
  }

  /** Bytes given of an asset since it is shown, and to how many. */
  given(): { bytes: number; peers: number } {
    const to = [...this.#tallies.values()].filter(({ given }) => given > 0);
    return { bytes: to.reduce((sum, { given }) => sum + given, 0), peers: to.length };
  }

  #connection(peer: string, isThere: boolean): void {
    if (isThere) this.#connected.add(peer);
    else this.#connected.delete(peer);
    this.#picture.connect(this.#connected);
    this.onPeers();
  }

  #arrived({ cid, chunk, chunks, bytes, peer }: ShoalEvents['asset:chunk']['detail']): void {
    if (cid !== this.#cid) return;
    if (chunks !== this.#chunks) {
      this.#chunks = chunks;
      this.#picture.start(chunks, this.#before, this.#here.hostPeer);
    }
    this.#tally(peer).got += bytes;
    this.#moved += bytes;
    this.#picture.arrive(peer, chunk);
  }

  #gave({ cid, peer, bytes }: ShoalEvents['asset:upload']['detail']): void {
    if (cid !== this.#cid) return;
    this.#tally(peer).given += bytes;
    this.#moved += bytes;
    this.#picture.give(peer, Math.ceil((bytes * this.#chunks) / Math.max(1, this.#size)));
    this.onPeers();
  }

  #tally(peer: string): Tally {
    const tally = this.#tallies.get(peer) ?? { got: 0, given: 0 };
    this.#tallies.set(peer, tally);
    return tally;
  }

  #sample(): void {
    if (this.#cid === undefined) return;
    const nowMs = performance.now();
    this.#samples.push({ bytes: this.#moved, ms: nowMs - this.#sampledMs });
    this.#sampledMs = nowMs;
    this.#moved = 0;
    if (this.#samples.length > LINE_SAMPLES) this.#samples.shift();
    if (document.hidden) return;
    const recent = this.#samples.slice(-WINDOW_SAMPLES);
    const sum = (of: (sample: Sample) => number): number =>
      recent.reduce((total, sample) => total + of(sample), 0);
    const perSec = (1000 * sum(({ bytes }) => bytes)) / sum(({ ms }) => ms);
    at('speed').textContent = `${sizeText(perSec)}/s`;
    this.#line();
    this.#table();
  }

  #line(): void {
    const canvas = at('speed-line', HTMLCanvasElement);
    const draw = canvas.getContext('2d') as CanvasRenderingContext2D;
    const { width, height } = canvas;
    const rates = this.#samples.map(({ bytes, ms }) => bytes / Math.max(1, ms));
    const most = Math.max(1, ...rates);
    draw.clearRect(0, 0, width, height);
    draw.beginPath();
    for (const [index, rate] of rates.entries()) {
      const x = width - ((rates.length - 1 - index) * width) / (LINE_SAMPLES - 1);
      draw.lineTo(x, height - 2 - (rate / most) * (height - 4));
    }
    draw.strokeStyle = getComputedStyle(canvas).color;
    draw.lineWidth = 2;
    draw.stroke();
  }

  #table(): void {
    const all = [...this.#tallies].sort(([, a], [, b]) => b.got + b.given - a.got - a.given);
    const sum = all.reduce((bytes, [, { got }]) => bytes + got, 0);
    at('sources').replaceChildren(
      ...all.map(([peer, { got, given }]) => {
        const swatch = make('span', { className: 'swatch' });
        swatch.style.background = this.#picture.colourOf(peer);
        const name = peer === this.#here.hostPeer ? 'this site’s node' : peerText(peer);
        const share = sum > 0 ? ` (${Math.round((100 * got) / sum)} %)` : '';
        return make(
          'tr',
          {},
          make('td', { title: peer }, swatch, name),
          make('td', {}, got > 0 ? `gave ${sizeText(got)}${share}` : ''),
          make('td', {}, given > 0 ? `got ${sizeText(given)}` : ''),
        );
      }),
    );
    const from = all.filter(([, { got }]) => got > 0).length;
    const { bytes, peers } = this.given();
    at('picture').setAttribute(
      'aria-label',
      `${countText(this.#connected.size, 'peer')} connected; ${sizeText(sum)} came from ${from}, ${sizeText(bytes)} went to ${peers}`,
    );
  }
}

/** How many chunks there are is told with the first that comes; until then, as many as `share` makes of such a size. */
function likelyChunks(size: number): number {
  const chunkSize = Math.min(2 ** 20, Math.max(2 ** 16, 2 ** Math.ceil(Math.log2(size / 1024 + 1))));
  return Math.max(1, Math.ceil(size / chunkSize));
}
