import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { encodeAttach } from '../../src/swarm/wire/data-codec.ts';
import { decodeControl } from '../../src/swarm/wire/decode-control.ts';
import { encodeControl } from '../../src/swarm/wire/encode-control.ts';
import { FrameSplitter } from '../../src/swarm/wire/frame-splitter.ts';
import type { ControlMessage } from '../../src/swarm/wire/control-message.ts';
import { libp2pNode, type SwarmNode, until } from './swarm-node.ts';

const LINK = 5;

/** A bare libp2p node with a link to a swarm node, on which a test says whatever it likes. */
export class Liar implements AsyncDisposable {
  readonly libp2p: Libp2p;
  /** What the node said. */
  readonly heard: ControlMessage[] = [];
  /** Bytes that came on the data stream, headers too. */
  dataBytes = 0;
  readonly #control: Stream;
  readonly #data: Stream;

  static async link(to: SwarmNode): Promise<Liar> {
    const libp2p = await libp2pNode();
    const connection: Connection = await libp2p.dial(to.libp2p.getMultiaddrs());
    const control = await connection.newStream('/shoal/test/control/1');
    const data = await connection.newStream('/shoal/test/data/1');
    const liar = new Liar(libp2p, control, data);
    data.send(encodeAttach(LINK));
    const limits = { controlFrameBytes: 1 << 20, chunkBytes: 1 << 20 };
    liar.say({ type: 'hello', version: 1, features: [], limits, instance: new Uint8Array(8), link: LINK });
    await until(() => to.shell.peers.includes(liar.id));
    return liar;
  }

  private constructor(libp2p: Libp2p, control: Stream, data: Stream) {
    this.libp2p = libp2p;
    this.#control = control;
    this.#data = data;
    const frames = new FrameSplitter(2 << 20);
    control.addEventListener('message', ({ data: bytes }) => {
      frames.push(bytes.subarray().slice(), (frame) => {
        const message = decodeControl(frame);
        if (message) this.heard.push(message);
      });
    });
    data.addEventListener('message', ({ data: bytes }) => void (this.dataBytes += bytes.byteLength));
  }

  get id(): string {
    return this.libp2p.peerId.toString();
  }

  /** Says all of it in one write. */
  say(...messages: ControlMessage[]): void {
    this.#control.send(Buffer.concat(messages.map((message) => encodeControl(message))));
  }

  /** Sends on the data stream. */
  send(bytes: Uint8Array): void {
    this.#data.send(bytes);
  }

  /** The messages of a kind that were heard. */
  all<T extends ControlMessage['type']>(type: T): Extract<ControlMessage, { type: T }>[] {
    return this.heard.filter((message) => message.type === type) as Extract<ControlMessage, { type: T }>[];
  }

  /** The next message of a kind: heard since the last call, or to come. */
  async next<T extends ControlMessage['type']>(type: T): Promise<Extract<ControlMessage, { type: T }>> {
    await until(() => this.all(type).length > 0);
    const [found] = this.all(type);
    this.heard.splice(this.heard.indexOf(found as ControlMessage), 1);
    return found as Extract<ControlMessage, { type: T }>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.libp2p.stop();
  }
}
