/** What is shown of one downloader. */
export interface PeerState {
  name: string;
  bytes: number;
  bytesPerSec: number;
  fromOrigin: number;
  fromPeers: number;
  /** Peers connected. */
  peers: number;
  /** Seconds it took, once it is done. */
  doneAfter: number | undefined;
}

/** What is shown of the whole swarm. */
export interface SwarmState {
  seconds: number;
  fileBytes: number;
  originSent: number;
  isOriginKilled: boolean;
  peers: readonly PeerState[];
}

/** Redrawn so often on a terminal; elsewhere a line comes now and then. */
const REDRAW_MS = 200;
const LINE_MS = 3_000;

const BAR_WIDTH = 32;

/** Draws the swarm: on a terminal a block that is drawn again and again, elsewhere a line now and then. */
export class Picture {
  readonly #out: NodeJS.WriteStream;
  readonly #state: () => SwarmState;
  readonly #timer: NodeJS.Timeout;
  #drawnLines = 0;
  #isEnded = false;

  constructor(out: NodeJS.WriteStream, state: () => SwarmState) {
    this.#out = out;
    this.#state = state;
    this.#timer = setInterval(() => this.#draw(), out.isTTY ? REDRAW_MS : LINE_MS);
  }

  /** Says something that stays. */
  say(text: string): void {
    this.#erase();
    this.#out.write(`${text}\n`);
  }

  /** The last drawing stays. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    this.#draw();
    this.#drawnLines = 0;
  }

  #draw(): void {
    const state = this.#state();
    if (!this.#out.isTTY) {
      this.#out.write(`${plainLine(state)}\n`);
      return;
    }
    const lines = block(state).map((line) => line.slice(0, (this.#out.columns || 80) - 1));
    this.#erase();
    this.#out.write(`${lines.join('\n')}\n`);
    this.#drawnLines = lines.length;
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#out.write(`\u001b[${this.#drawnLines}A\u001b[J`);
    this.#drawnLines = 0;
  }
}

/** The block of a terminal: a line for the origin, and a bar for each peer. */
export function block(state: SwarmState): string[] {
  const { fileBytes, peers } = state;
  return [originLine(state), ...peers.map((peer) => peerLine(peer, fileBytes))];
}

/** One line for a log. */
export function plainLine(state: SwarmState): string {
  const percents = state.peers.map((peer) => `${percent(peer.bytes, state.fileBytes)} %`).join('  ');
  return `${state.seconds.toFixed(0).padStart(3)} s  ${percents}  ${originLine(state)}`;
}

function originLine({ originSent, fileBytes, isOriginKilled }: SwarmState): string {
  const times = (originSent / fileBytes).toFixed(2);
  return isOriginKilled ? `origin  killed after ${times} × the file` : `origin  has sent ${times} × the file`;
}

function peerLine(peer: PeerState, fileBytes: number): string {
  const full = Math.round((peer.bytes / fileBytes) * BAR_WIDTH);
  const bar = '█'.repeat(full).padEnd(BAR_WIDTH, '·');
  const all = peer.fromOrigin + peer.fromPeers;
  const state =
    peer.doneAfter === undefined
      ? `${(peer.bytesPerSec / 1e6).toFixed(1).padStart(4)} MB/s`
      : `done ${peer.doneAfter.toFixed(1)} s`;
  const origin = all === 0 ? '' : `  ${percent(peer.fromOrigin, all)} % from the origin`;
  return `${peer.name}  ${bar} ${String(percent(peer.bytes, fileBytes)).padStart(3)} %  ${state.padEnd(11)}  ${peer.peers} peers${origin}`;
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((part / whole) * 100);
}
