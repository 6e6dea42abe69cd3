import type { PeerId, Stream } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import { compare } from 'uint8arrays/compare';
import type { LogLevel } from '../api.ts';
import { digestOf } from '../integrity/sha256.ts';
import { ProtoWriter } from '../integrity/proto-writer.ts';
import { WALK_TIMEOUT_MS } from './dht-search.ts';
import { dhtProtocol, type ShoalLibp2p } from './shoal-libp2p.ts';
import { sleep } from './sleep.ts';

/** Nodes told at a time, and records for one in a burst and the pause after it: a node takes a millisecond to keep one. */
const PARALLEL_PEERS = 2;
const BURST = 25;
const PAUSE_MS = 100;

/** Longer than that pause a node's stream may not stand still. */
const PATIENCE_MS = 10_000;

/** `Message.type` ADD_PROVIDER of the Kademlia protocol. */
const ADD_PROVIDER = 2;

interface Key {
  cid: CID;
  /** Where it lies in the DHT's space. */
  place: Uint8Array;
}

/**
 * Announces many roots in the DHT. Announced one by one, each costs a walk and twenty streams: some 30 ms of CPU and 50 KB,
 * which 10,000 assets would make 300 s and 500 MB. Here roots that lie near each other share a walk (what Kubo calls a
 * sweep), and each node is told of all its roots on one stream. What a node was told it is not told again until
 * {@link forget} or {@link forgetAll}.
 */
export class ProvideSweep {
  readonly #libp2p: ShoalLibp2p;
  readonly #protocol: string;
  readonly #log: (level: LogLevel, message: string) => void;
  /** A number for each root, for the bits in {@link #told}. */
  readonly #numbers = new Map<string, number>();
  /** Which roots each node was told of. */
  readonly #told = new Map<string, Uint8Array>();

  constructor(libp2p: ShoalLibp2p, network: string, log: (level: LogLevel, message: string) => void) {
    this.#libp2p = libp2p;
    this.#protocol = dhtProtocol(network);
    this.#log = log;
  }

  /** The node is gone, and what it kept perhaps too. */
  forget(peer: string): void {
    this.#told.delete(peer);
  }

  /** Records run out: all are told anew. */
  forgetAll(): void {
    this.#told.clear();
    // Those of roots that are no longer shared go with it.
    this.#numbers.clear();
  }

  /**
   * Tells the nodes nearest to each root that this node has it. What cannot be reached is passed over.
   *
   * @returns the roots of which none of them was told
   */
  async run(roots: Iterable<CID>, signal: AbortSignal): Promise<string[]> {
    const keys: Key[] = [];
    for (const cid of roots) keys.push({ cid, place: await digestOf(cid.multihash.bytes) });
    keys.sort((a, b) => compare(a.place, b.place));
    const tasks = new Map<string, { peer: PeerId; roots: CID[] }>();
    const keepers = new Map<CID, readonly PeerId[]>();
    for (let at = 0; at < keys.length && !signal.aborted;) {
      const { nearest, count } = await this.#region(keys, at, signal);
      for (const { cid } of keys.slice(at, at + count)) keepers.set(cid, nearest);
      for (const peer of nearest) {
        const task = tasks.get(peer.toString()) ?? { peer, roots: [] };
        tasks.set(peer.toString(), task);
        for (const { cid } of keys.slice(at, at + count)) if (!this.#wasTold(peer, cid)) task.roots.push(cid);
      }
      at += count;
    }
    const waiting = [...tasks.values()].filter(({ roots }) => roots.length > 0);
    const work = async (): Promise<void> => {
      for (let task = waiting.pop(); task && !signal.aborted; task = waiting.pop())
        await this.#tell(task.peer, task.roots, signal);
    };
    await Promise.all(Array.from({ length: PARALLEL_PEERS }, work));
    const isTold = (cid: CID): boolean => keepers.get(cid)?.some((peer) => this.#wasTold(peer, cid)) ?? false;
    return keys.filter(({ cid }) => !isTold(cid)).map(({ cid }) => cid.toString());
  }

  /**
   * The nodes nearest to a key, and how many keys from there on share them: those that lie nearer to the key than some of
   * these nodes do, for all nodes that lie as near are among them.
   */
  async #region(
    keys: readonly Key[],
    at: number,
    signal: AbortSignal,
  ): Promise<{ nearest: PeerId[]; count: number }> {
    const { cid, place } = keys[at] as Key;
    const nearest = await this.#nearest(cid, signal);
    // Nobody answers: the others are not looked for either. A few need not be all there are, as the rest of the nearest may be gone.
    if (nearest.length === 0) return { nearest, count: keys.length - at };
    let shared = Infinity;
    for (const peer of nearest)
      shared = Math.min(shared, commonBits(place, await digestOf(peer.toMultihash().bytes)));
    let count = 1;
    while (at + count < keys.length && commonBits(place, (keys[at + count] as Key).place) > shared) count++;
    return { nearest, count };
  }

  async #nearest(cid: CID, signal: AbortSignal): Promise<PeerId[]> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(WALK_TIMEOUT_MS)]);
    const found: PeerId[] = [];
    try {
      const events = this.#libp2p.services.dht?.getClosestPeers(cid.multihash.bytes, { signal: limited });
      for await (const event of events ?? [])
        if (event.name === 'FINAL_PEER' && !event.peer.id.equals(this.#libp2p.peerId))
          found.push(event.peer.id);
    } catch (error) {
      if (!signal.aborted) this.#log('debug', `DHT: no walk to ${cid.toString()}: ${String(error)}`);
    }
    return found;
  }

  async #tell(peer: PeerId, roots: readonly CID[], signal: AbortSignal): Promise<void> {
    const patienceMs = PATIENCE_MS + (roots.length / BURST) * PAUSE_MS * 4;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
    let stream: Stream | undefined;
    try {
      stream = await this.#libp2p.dialProtocol(peer, this.#protocol, { signal: limited });
      const provider = this.#provider();
      for (let from = 0; from < roots.length; from += BURST) {
        const burst = roots.slice(from, from + BURST);
        if (from > 0) await sleep(PAUSE_MS, limited);
        limited.throwIfAborted();
        for (const root of burst) {
          if (!stream.send(record(root, provider))) await drained(stream, limited);
        }
        for (const root of burst) this.#noteTold(peer, root);
      }
      await stream.close({ signal: limited });
    } catch (error) {
      stream?.abort(error instanceof Error ? error : new Error(String(error)));
      if (!signal.aborted)
        this.#log('debug', `DHT: ${peer.toString()} was not told of all roots: ${String(error)}`);
    }
  }

  /** `Message.PeerInfo` of this node. */
  #provider(): Uint8Array {
    const writer = new ProtoWriter(256).bytes(1, this.#libp2p.peerId.toMultihash().bytes);
    for (const address of this.#libp2p.getMultiaddrs()) writer.bytes(2, address.bytes);
    return writer.finish();
  }

  #wasTold(peer: PeerId, root: CID): boolean {
    const bits = this.#told.get(peer.toString());
    const number = this.#numberOf(root);
    return bits !== undefined && ((bits[number >> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  #noteTold(peer: PeerId, root: CID): void {
    const number = this.#numberOf(root);
    let bits = this.#told.get(peer.toString()) ?? new Uint8Array(0);
    if (number >> 3 >= bits.length) {
      const larger = new Uint8Array(Math.ceil((this.#numbers.size + 1) / 8) + 64);
      larger.set(bits);
      bits = larger;
      this.#told.set(peer.toString(), bits);
    }
    bits[number >> 3] = (bits[number >> 3] as number) | (1 << (number & 7));
  }

  #numberOf(root: CID): number {
    const text = root.toString();
    let number = this.#numbers.get(text);
    if (number === undefined) this.#numbers.set(text, (number = this.#numbers.size));
    return number;
  }
}

/** An ADD_PROVIDER with its length before it. */
function record(root: CID, provider: Uint8Array): Uint8Array {
  return new ProtoWriter(384).uint(1, ADD_PROVIDER).bytes(2, root.multihash.bytes).bytes(9, provider).frame();
}

/** Resolves when the stream takes bytes again. @throws the abort reason, or where the stream has ended */
function drained(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      stream.removeEventListener('drain', settle);
      stream.removeEventListener('close', settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(signal.reason as Error);
      else if (stream.status === 'open') resolve();
      else reject(new Error('the stream has ended'));
    };
    stream.addEventListener('drain', settle);
    stream.addEventListener('close', settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}

/** Leading bits in which two places agree: the more, the nearer they are. */
function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.byteLength; i++) {
    const difference = (a[i] as number) ^ (b[i] as number);
    if (difference !== 0) return i * 8 + Math.clz32(difference) - 24;
  }
  return a.byteLength * 8;
}
