import type { PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';

/** Announcements taken in one turn of the event loop: some milliseconds' work. */
const PER_TURN = 16;

/** What this wraps of kad-dht; its type does not tell of it. */
interface Answering {
  readonly rpc: { handleMessage(peer: PeerId, message: { type?: string }): Promise<unknown> };
}

/**
 * Has announcements wait for the next turn of the event loop where many come at once. They cost whoever sends them next to
 * nothing, and all that lay in a stream were taken in one turn: a peer that sent nothing else kept the node from everything
 * for half a second at a time, and longer on a busy machine. Who sends faster than they are taken is held back by its stream.
 */
export function announceInTurns(dht: KadDHT): void {
  const { rpc } = dht as unknown as Answering;
  const handle = rpc.handleMessage.bind(rpc);
  let left = PER_TURN;
  let turn: Promise<void> | undefined;
  const nextTurn = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(() => {
        turn = undefined;
        left = PER_TURN;
        resolve();
      });
    });
  rpc.handleMessage = async (peer, message) => {
    if (message.type === 'ADD_PROVIDER') {
      while (left <= 0) await (turn ??= nextTurn());
      left--;
    }
    return handle(peer, message);
  };
}
