import assert from 'node:assert/strict';
import { seededRng } from '../../src/swarm/core/rng.ts';
import { TcpPipe } from '../../src/simulator/tcp-pipe.ts';

const RTT_MS = 100;
const PIECE = 14_480;

/** A connection of which no segment is lost, that is used a round trip at a time. */
class Connection {
  readonly #pipe = new TcpPipe({ tcp: true, loss: 0 }, RTT_MS, seededRng(1));
  nowMs = 0;

  /** Sends as much as the window lets through, and waits until it is acknowledged. @returns pieces of ten segments */
  sendRound(): number {
    let pieces = 0;
    for (; this.#pipe.canSend(this.nowMs, PIECE); pieces++) this.#pipe.send(this.nowMs, PIECE);
    this.nowMs += RTT_MS;
    for (let piece = 0; piece < pieces; piece++) this.#pipe.acked(this.nowMs, PIECE);
    return pieces;
  }

  /** Slow start until so many pieces go in a round. */
  open(pieces: number): this {
    while (this.sendRound() < pieces);
    return this;
  }

  pause(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  /** Nothing but a message now and then. */
  talk(ms: number): this {
    for (const untilMs = this.nowMs + ms; this.nowMs < untilMs; this.nowMs += 50) {
      this.#pipe.sendSmall(this.nowMs);
    }
    return this;
  }
}

describe('a simulated TCP connection', () => {
  it('doubles its window each round trip, from ten segments', () => {
    const connection = new Connection();
    assert.deepEqual([1, 2, 3, 4].map(() => connection.sendRound()), [1, 2, 4, 8]); // prettier-ignore
  });

  it('keeps its window over a pause that is shorter than the time-out', () => {
    // The last piece was sent a round trip ago: 100 + 150 ms, and the time-out is 100 + 200.
    assert.ok(new Connection().open(8).pause(150).sendRound() >= 16);
  });

  it('halves its window for each time-out of a pause, down to ten segments', () => {
    assert.equal(new Connection().open(8).pause(250).sendRound(), 8);
    assert.equal(new Connection().open(8).pause(550).sendRound(), 4);
    assert.equal(new Connection().open(8).pause(5000).sendRound(), 1);
  });

  it('loses half of what it does not use in a time-out while only messages go', () => {
    const [, once, twice] = [0, 350, 700].map((ms) => new Connection().open(8).talk(ms).sendRound());
    // (16 + 1) / 2 of a window of sixteen, and (8.5 + 1) / 2.
    assert.deepEqual([once, twice], [8, 4]);
  });

  it('doubles its window again after a pause, where nothing was ever lost, beyond what it was', () => {
    const connection = new Connection().open(8).pause(5000);
    assert.deepEqual([1, 2, 3, 4, 5].map(() => connection.sendRound()), [1, 2, 4, 8, 16]); // prettier-ignore
  });
});
