import { peerText } from './text.ts';

/** A square of the picture: a run of chunks. */
interface Cell {
  chunks: number;
  filled: number;
  colour: string | undefined;
  /** When the last chunk came, for its flash. */
  changedMs: number;
}

/** A chunk on its way. */
interface Fish {
  colour: string;
  from: Point;
  to: Point;
  bend: number;
  bornMs: number;
  arrive: () => void;
}

interface Point {
  x: number;
  y: number;
}

interface Layout {
  cell: number;
  columns: number;
  origin: Point;
  peers: Map<string, Point>;
  more: number;
}

const SWIM_MS = 750;
const FLASH_MS = 350;

/** More swim at a time on no screen; others are there at once. */
const MAX_FISH = 70;

const OUT_SPREAD_MS = 250;

/** Uploads are told of every quarter of a second: so many swim for each. */
const MOST_GIVEN = 12;

const LEAST_CELL = 10;
const MOST_CELL = 40;
const PEER_RADIUS = 15;

/** Of the first peers, on a light and on a dark ground: told apart also by those who see few colours. */
const PALETTE: readonly (readonly [string, string])[] = [
  ['#0a6f97', '#58c6ee'],
  ['#e0703a', '#ff9e66'],
  ['#7a55c7', '#b79cf7'],
  ['#2a9d8f', '#5fd6c4'],
  ['#c4405e', '#ff8aa3'],
  ['#c29500', '#f2cf5b'],
  ['#4f6fe0', '#93a9ff'],
  ['#5b7f2b', '#a9d46a'],
];

/**
 * The swarm as it is: peers, the pieces of an asset, and each piece swimming from the peer that gave it to its place, which
 * takes that peer's colour; and what this page gives, the other way. It draws only when something changes, and moves
 * nothing for those who asked for less motion.
 */
export class SwarmPicture {
  readonly #canvas: HTMLCanvasElement;
  readonly #draw: CanvasRenderingContext2D;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  readonly #order: string[] = [];
  readonly #flashes = new Map<string, number>();
  #connected: ReadonlySet<string> = new Set();
  #host: string | undefined;
  #cells: Cell[] = [];
  #chunks = 0;
  #fish: Fish[] = [];
  /** A frame is on its way. */
  #isAsked = false;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    this.#draw = canvas.getContext('2d') as CanvasRenderingContext2D;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    this.#dark.addEventListener('change', () => this.#request());
  }

  /**
   * Begins a new picture.
   *
   * @param here the part of it that is here already, from 0 to 1
   * @param host the peer that serves the page
   */
  start(chunks: number, here: number, host: string | undefined): void {
    this.#host = host;
    this.#fish = [];
    this.#chunks = chunks;
    this.#cells = [];
    this.#fit(here);
  }

  /** Who is connected: they are drawn though they give nothing. */
  connect(peers: ReadonlySet<string>): void {
    this.#connected = peers;
    this.#request();
  }

  /** A chunk came. */
  arrive(peer: string, chunk: number): void {
    const index = Math.min(
      this.#cells.length - 1,
      Math.floor((chunk * this.#cells.length) / Math.max(1, this.#chunks)),
    );
    const colour = this.colourOf(peer);
    this.#swim(peer, index, false, colour, () => {
      const cell = this.#cells[index];
      if (!cell) return;
      cell.filled = Math.min(cell.chunks, cell.filled + 1);
      cell.colour = colour;
      cell.changedMs = performance.now();
    });
  }

  /** So many chunks were given: which ones is not told. */
  give(peer: string, count: number): void {
    const colour = this.colourOf(peer);
    for (let each = 0; each < Math.min(count, MOST_GIVEN); each++) {
      const index = Math.floor(Math.random() * this.#cells.length);
      this.#swim(peer, index, true, colour, () => this.#flashes.set(peer, performance.now()));
    }
  }

  /** All of it is here. */
  complete(): void {
    for (const cell of this.#cells) cell.filled = cell.chunks;
    this.#request();
  }

  /** The colour of a peer, the same for as long as the page is open. */
  colourOf(peer: string): string {
    if (!this.#order.includes(peer)) this.#order.push(peer);
    const index = this.#order.indexOf(peer);
    const colour = PALETTE[index];
    if (colour) return colour[this.#dark.matches ? 1 : 0];
    // Steps of the golden angle: neighbours in time are far apart in hue.
    return `hsl(${((index * 137.5) % 360).toFixed(0)} ${this.#dark.matches ? '65% 68%' : '55% 40%'})`;
  }

  #swim(peer: string, index: number, isOut: boolean, colour: string, arrive: () => void): void {
    const layout = this.#layout();
    const home = layout.peers.get(peer);
    if (this.#still.matches || document.hidden || !home || this.#fish.length >= MAX_FISH) {
      arrive();
      this.#request();
      return;
    }
    const place = this.#centre(layout, index);
    const [from, to] = isOut ? [place, home] : [home, place];
    if (!isOut) this.#flashes.set(peer, performance.now());
    const bend = (Math.random() - 0.5) * 90;
    // Those that are told of together leave one after the other.
    const bornMs = performance.now() + (isOut ? Math.random() * OUT_SPREAD_MS : 0);
    this.#fish.push({ colour, from, to, bend, bornMs, arrive });
    this.#request();
  }

  /** Takes the size of the canvas on the screen, and as many cells as fit. */
  #fit(here?: number): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    this.#canvas.width = Math.round(width * devicePixelRatio);
    this.#canvas.height = Math.round(height * devicePixelRatio);
    const box = this.#box();
    const most = Math.max(1, Math.floor(box.width / LEAST_CELL) * Math.floor(box.height / LEAST_CELL));
    const count = Math.min(this.#chunks, most);
    if (count !== this.#cells.length || here !== undefined) this.#cells = this.#cellsOf(count, here);
    this.#request();
  }

  #cellsOf(count: number, here: number | undefined): Cell[] {
    const before = this.#cells;
    const filled = here ?? before.reduce((sum, cell) => sum + cell.filled, 0) / Math.max(1, this.#chunks);
    return Array.from({ length: count }, (_, index) => {
      const first = Math.floor((index * this.#chunks) / count);
      const chunks = Math.floor(((index + 1) * this.#chunks) / count) - first;
      const old = here === undefined ? before[Math.floor((index * before.length) / count)] : undefined;
      const part = old
        ? old.filled / Math.max(1, old.chunks)
        : Math.min(1, Math.max(0, filled * count - index));
      return { chunks, filled: Math.round(part * chunks), colour: old?.colour, changedMs: -FLASH_MS };
    });
  }

  get #isWide(): boolean {
    return this.#canvas.clientWidth >= 540;
  }

  #box(): { x: number; y: number; width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    return this.#isWide
      ? { x: width * 0.3, y: 4, width: width * 0.7 - 4, height: height - 8 }
      : { x: 4, y: 78, width: width - 8, height: height - 82 };
  }

  #layout(): Layout {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const box = this.#box();
    const count = Math.max(1, this.#cells.length);
    let columns = 1;
    let cell = 0;
    // The number of columns with which the squares are largest.
    for (let each = 1; each <= count; each++) {
      const size = Math.min(MOST_CELL, box.width / each, box.height / Math.ceil(count / each));
      if (size > cell) [columns, cell] = [each, size];
    }
    const rows = Math.ceil(count / columns);
    const origin = {
      x: box.x + (box.width - columns * cell) / 2,
      y: box.y + (box.height - rows * cell) / 2,
    };
    const known = new Set([...this.#order, ...this.#connected]);
    const all = [...known].filter((peer) => this.#connected.has(peer) || this.#flashes.has(peer));
    const shown = all.slice(0, this.#isWide ? 7 : 5);
    const places = shown.map((peer, index): [string, Point] => {
      const part = (index + 0.5) / shown.length;
      const point = this.#isWide ? { x: width * 0.11, y: height * part - 6 } : { x: width * part, y: 26 };
      return [peer, point];
    });
    return { cell, columns, origin, peers: new Map(places), more: all.length - shown.length };
  }

  #centre({ cell, columns, origin }: Layout, index: number): Point {
    const row = Math.floor(index / columns);
    return { x: origin.x + ((index % columns) + 0.5) * cell, y: origin.y + (row + 0.5) * cell };
  }

  #request(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame((nowMs) => {
      this.#isAsked = false;
      if (this.#paint(nowMs)) this.#request();
    });
  }

  /** @returns whether something still moves */
  #paint(nowMs: number): boolean {
    if (this.#canvas.clientWidth === 0) return false;
    const draw = this.#draw;
    const layout = this.#layout();
    const style = getComputedStyle(this.#canvas);
    const ink = style.color;
    const empty = this.#dark.matches ? '#22333e' : '#dde7ec';
    const water = this.#dark.matches ? '#58c6ee' : '#0a6f97';
    draw.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    draw.clearRect(0, 0, this.#canvas.clientWidth, this.#canvas.clientHeight);
    const landed = this.#fish.filter((fish) => nowMs - fish.bornMs >= SWIM_MS);
    this.#fish = this.#fish.filter((fish) => nowMs - fish.bornMs < SWIM_MS);
    for (const fish of landed) fish.arrive();
    let moves = this.#fish.length > 0;
    for (const [index, cell] of this.#cells.entries()) {
      const flash = this.#flash(cell.changedMs, nowMs);
      moves ||= flash > 0;
      this.#paintCell(layout, index, cell, flash, empty, water);
    }
    for (const [peer, point] of layout.peers) {
      const flash = this.#flash(this.#flashes.get(peer) ?? -FLASH_MS, nowMs);
      moves ||= flash > 0;
      this.#paintPeer(peer, point, flash, ink);
    }
    if (layout.more > 0) {
      draw.fillStyle = ink;
      draw.textAlign = 'right';
      draw.fillText(`and ${layout.more} more`, this.#canvas.clientWidth - 4, 10);
    }
    for (const fish of this.#fish) {
      const part = (nowMs - fish.bornMs) / SWIM_MS;
      if (part >= 0) this.#paintFish(fish, part, nowMs);
    }
    return moves;
  }

  /** How much of a flash is left, from 1 to 0. */
  #flash(sinceMs: number, nowMs: number): number {
    return this.#still.matches ? 0 : 1 - Math.min(1, Math.max(0, (nowMs - sinceMs) / FLASH_MS));
  }

  #paintCell(layout: Layout, index: number, cell: Cell, flash: number, empty: string, water: string): void {
    const draw = this.#draw;
    const { x, y } = this.#centre(layout, index);
    const size = layout.cell - Math.max(1.5, layout.cell * 0.14);
    const square = (side: number): void => {
      draw.beginPath();
      draw.roundRect(x - side / 2, y - side / 2, side, side, side * 0.22);
      draw.fill();
    };
    draw.fillStyle = empty;
    square(size);
    if (cell.filled === 0) return;
    draw.globalAlpha = 0.25 + (0.75 * cell.filled) / cell.chunks;
    draw.fillStyle = cell.colour ?? water;
    square(size * (1 + 0.25 * flash));
    draw.globalAlpha = 1;
  }

  #paintPeer(peer: string, { x, y }: Point, flash: number, ink: string): void {
    const draw = this.#draw;
    const colour = this.colourOf(peer);
    draw.globalAlpha = 0.25 + 0.3 * flash;
    draw.fillStyle = colour;
    draw.beginPath();
    draw.arc(x, y, PEER_RADIUS + 5 + 5 * flash, 0, 2 * Math.PI);
    draw.fill();
    draw.globalAlpha = this.#connected.has(peer) ? 1 : 0.45;
    draw.beginPath();
    draw.arc(x, y, PEER_RADIUS, 0, 2 * Math.PI);
    draw.fill();
    draw.globalAlpha = 1;
    draw.fillStyle = ink;
    draw.font = '12px system-ui, sans-serif';
    draw.textAlign = 'center';
    draw.textBaseline = 'middle';
    const name = peer === this.#host ? 'this site’s node' : peerText(peer);
    draw.fillText(name, x, y + PEER_RADIUS + 16);
  }

  #paintFish({ colour, from, to, bend }: Fish, part: number, nowMs: number): void {
    const draw = this.#draw;
    const eased = part < 0.5 ? 2 * part * part : 1 - (2 - 2 * part) ** 2 / 2;
    const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 + bend };
    const on = (a: number, b: number, c: number): number =>
      (1 - eased) ** 2 * a + 2 * eased * (1 - eased) * b + eased ** 2 * c;
    const slope = (a: number, b: number, c: number): number => (1 - eased) * (b - a) + eased * (c - b);
    draw.save();
    draw.translate(on(from.x, middle.x, to.x), on(from.y, middle.y, to.y));
    draw.rotate(Math.atan2(slope(from.y, middle.y, to.y), slope(from.x, middle.x, to.x)));
    draw.fillStyle = colour;
    draw.beginPath();
    draw.ellipse(0, 0, 8, 4, 0, 0, 2 * Math.PI);
    draw.fill();
    draw.beginPath();
    const wag = Math.sin(nowMs / 45 + bend) * 2.5;
    draw.moveTo(-5, 0);
    draw.lineTo(-13, -4 + wag);
    draw.lineTo(-13, 4 + wag);
    draw.fill();
    draw.restore();
  }
}
