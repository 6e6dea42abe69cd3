import type { PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';

/** Messages taken in one turn of the event loop, of announcements and of questions: some milliseconds' work of each. */
const ANNOUNCEMENTS_PER_TURN = 16;
const QUESTIONS_PER_TURN = 2;

/** What this wraps of kad-dht; its type does not tell of it. */
interface Answering {
  readonly rpc: { handleMessage(peer: PeerId, message: { type?: string }): Promise<unknown> };
}

/**
 * Has a DHT's messages wait for the next turn of the event loop where many come at once. They cost whoever sends them next to
 * nothing, and all that lay in a stream were taken in one turn: a peer that sent nothing else kept the node from everything
 * for half a second at a time, and longer on a busy machine, or by several streams. Who sends faster than they are taken is
 * held back by its stream. Announcements do not keep others from being found.
 */
export function takeInTurns(dht: KadDHT): void {
  const { rpc } = dht as unknown as Answering;
  const handle = rpc.handleMessage.bind(rpc);
  const announcements = new Turns(ANNOUNCEMENTS_PER_TURN);
  const questions = new Turns(QUESTIONS_PER_TURN);
  rpc.handleMessage = async (peer, message) => {
    await (message.type === 'ADD_PROVIDER' ? announcements : questions).mine();
    return handle(peer, message);
  };
}

/** Lets so many through in each turn of the event loop, in order. */
class Turns {
  readonly #perTurn: number;
  #left: number;
  #next: Promise<void> | undefined;

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  async mine(): Promise<void> {
    while (this.#left <= 0) await (this.#next ??= this.#nextTurn());
    this.#left--;
  }

  #nextTurn(): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined;
        this.#left = this.#perTurn;
        resolve();
      });
    });
  }
}
