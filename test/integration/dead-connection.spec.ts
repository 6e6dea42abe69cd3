import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Connection, Libp2p } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { lazyYamux } from '../../src/node/lazy-yamux.ts';
import { controlProtocol, dataProtocol, LinkTable } from '../../src/swarm/link-table.ts';
import type { PeerLink } from '../../src/swarm/peer-link.ts';
import { libp2pNode, until } from './swarm-node.ts';

/** Longer than a greeting may take. */
const TOO_LONG_MS = 11_000;

/** A way to a node that ceases to lead anywhere without a word to either end. */
class Path implements Disposable {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  private constructor(port: number) {
    this.#server = createServer((near) => {
      const far = connect(port, '127.0.0.1');
      this.#sockets.push(near, far);
      near.pipe(far);
      far.pipe(near);
      for (const socket of [near, far]) socket.on('error', () => {});
    });
  }

  static async to(node: Libp2p): Promise<Path> {
    const port = Number(node.getMultiaddrs()[0]?.toString().split('/')[4]);
    const path = new Path(port);
    await once(path.#server.listen(0, '127.0.0.1'), 'listening');
    return path;
  }

  /** A connection by this way, though there may be another. */
  dialBy(node: Libp2p, to: Libp2p): Promise<Connection> {
    const { port } = this.#server.address() as AddressInfo;
    return node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${to.peerId.toString()}`), { force: true });
  }

  cut(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** Of what lies at either end a byte gets through, and nothing more. */
  passByte(): void {
    for (const [n, socket] of this.#sockets.entries()) {
      socket.once('data', (bytes: Buffer) => {
        socket.pause();
        this.#sockets[n ^ 1]?.write(bytes.subarray(0, 1));
      });
      socket.resume();
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** All that lies in sockets has been read. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a connection on which nobody greets', () => {
  let stack: AsyncDisposableStack;
  let nowMs: number;
  let near: Libp2p;
  let far: Libp2p;
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    nowMs = 0;
    [near, far] = await Promise.all([start(), start()]);
  });
  afterEach(() => stack.disposeAsync());

  async function start(): Promise<Libp2p> {
    const node = await libp2pNode(undefined, undefined, { muxer: lazyYamux() });
    stack.defer(async () => node.stop());
    return node;
  }

  async function linksOf(libp2p: Libp2p, onRival: (link: PeerLink) => void = () => {}): Promise<LinkTable> {
    const nothing = (): void => {};
    const table = new LinkTable({
      libp2p,
      network: 'test',
      instance: crypto.getRandomValues(new Uint8Array(8)),
      nowMs: () => nowMs,
      log: nothing,
      isBanned: () => false,
      events: {
        onGreeted: nothing,
        onLost: nothing,
        onUp: nothing,
        onRival,
        onDown: nothing,
        onMessage: nothing,
        onBroken: nothing,
        onDrain: nothing,
        inbox: () => ({ begin: nothing, payload: nothing, end: nothing, stop: nothing }),
      },
    });
    await table.start();
    stack.defer(() => table.stop());
    return table;
  }

  /** A connection that is about to lead nowhere, with nothing under way. */
  async function dialled(path: Path): Promise<Connection> {
    const connection = await path.dialBy(near, far);
    await until(() =>
      [near, far].every((node) => node.getConnections().every(({ streams }) => streams.length === 0)),
    );
    return connection;
  }

  it('is ended where nothing came on it, so that the next dial leads to the peer', async () => {
    const path = stack.use(await Path.to(far));
    await linksOf(far);
    const dead = await dialled(path);
    path.cut();
    await quiet();
    const links = await linksOf(near);
    const opening = links.ensure(dead);
    await quiet();
    nowMs += TOO_LONG_MS;
    links.tick();
    await assert.rejects(opening, /did not greet/);
    await quiet();
    assert.notEqual(dead.status, 'open');
    const connection = await near.dial(far.getMultiaddrs());
    assert.equal((await links.ensure(connection)).isUp, true);
  });

  it('stays where something came on it: the peer is there, and others may use it', async () => {
    const path = stack.use(await Path.to(far));
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await far.handle([controlProtocol('test'), dataProtocol('test')], () => resolve());
    const connection = await dialled(path);
    const links = await linksOf(near);
    const opening = links.ensure(connection);
    await asked;
    await far.handle('/other/1', () => {});
    await connection.newStream('/other/1');
    nowMs += TOO_LONG_MS;
    links.tick();
    await assert.rejects(opening, /did not greet/);
    await quiet();
    assert.equal(connection.status, 'open');
  });

  /** No stream can be opened on it, as on one of WebRTC whose other end is gone. @returns has the time for it pass */
  function silence(connection: Connection): () => void {
    const { timeout } = AbortSignal;
    const late = new AbortController();
    AbortSignal.timeout = () => late.signal;
    stack.defer(() => void (AbortSignal.timeout = timeout));
    connection.newStream = (_protocol, options) =>
      new Promise((_, reject) => {
        options?.signal?.addEventListener('abort', () => reject(late.signal.reason as Error));
      });
    return () => {
      AbortSignal.timeout = timeout;
      late.abort(new Error('the time is up'));
    };
  }

  it('is ended where no stream can be opened on it, so that another one of the peer has its turn', async () => {
    await linksOf(far);
    const path = stack.use(await Path.to(far));
    const dead = await dialled(path);
    const other = await path.dialBy(near, far);
    const passTime = silence(dead);
    const links = await linksOf(near);
    const opening = links.ensure(dead);
    passTime();
    await assert.rejects(opening, /the time is up/);
    await quiet();
    assert.notEqual(dead.status, 'open');
    links.tick();
    await until(() => links.get(far.peerId.toString())?.connection === other);
  });

  it('stays where no stream can be opened on it and others have one, but another one has its turn', async () => {
    await linksOf(far);
    const path = stack.use(await Path.to(far));
    const used = await dialled(path);
    const other = await path.dialBy(near, far);
    await far.handle('/other/1', () => {});
    await used.newStream('/other/1');
    const passTime = silence(used);
    const links = await linksOf(near);
    const opening = links.ensure(used);
    passTime();
    await assert.rejects(opening, /the time is up/);
    await quiet();
    assert.equal(used.status, 'open');
    links.tick();
    await until(() => links.get(far.peerId.toString())?.connection === other);
  });

  it('is tried at once where the link on another connection of the peer failed, though it was to rest', async () => {
    const path = stack.use(await Path.to(far));
    await linksOf(far);
    const resting = await dialled(path);
    const links = await linksOf(near);
    (await links.ensure(resting)).end(undefined, 'no more needed');
    const used = await path.dialBy(near, far);
    const link = await links.ensure(used);
    assert.equal(link.connection, used);
    path.cut();
    await quiet();
    // As LinkCare does where a peer is silent.
    link.end(new Error('the peer does not answer'));
    used.abort(new Error('the peer does not answer'));
    links.tick();
    await quiet();
    nowMs += TOO_LONG_MS;
    links.tick();
    await quiet();
    assert.notEqual(resting.status, 'open');
  });

  it('is doubted where the peer opens a link on another, which is refused for the sake of the one there is', async () => {
    if (near.peerId.toString() > far.peerId.toString()) [near, far] = [far, near];
    const path = stack.use(await Path.to(far));
    const doubted: PeerLink[] = [];
    const farLinks = await linksOf(far);
    const dead = await dialled(path);
    const links = await linksOf(near, (link) => doubted.push(link));
    const link = await links.ensure(dead);
    await until(() => farLinks.get(near.peerId.toString()) !== undefined);
    path.cut();
    await quiet();
    // The far end has noticed, and dials anew.
    farLinks.get(near.peerId.toString())!.end(new Error('the peer does not answer'));
    const connection = await far.dial(near.getMultiaddrs(), { force: true });
    void farLinks.ensure(connection).catch(() => {});
    await until(() => doubted.length > 0);
    assert.deepEqual(doubted, [link]);
    assert.equal(links.get(far.peerId.toString()), link);
  });

  it('is heard where a part of a record of TLS came, of which nothing is handed on before it is whole', async () => {
    const path = stack.use(await Path.to(far));
    await linksOf(far);
    const connection = await dialled(path);
    const link = await (await linksOf(near)).ensure(connection);
    await quiet();
    link.listen(0);
    path.cut();
    await quiet();
    nowMs = 5000;
    link.listen(nowMs);
    assert.equal(link.heardAtMs, 0);
    // Far has something to say, and a byte of it comes.
    far
      .getConnections(near.peerId)[0]
      ?.newStream('/other/1')
      .catch(() => {});
    path.passByte();
    await until(() => {
      link.listen(nowMs);
      return link.heardAtMs === nowMs;
    });
  });
});
