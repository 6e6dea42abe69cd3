import assert from 'node:assert/strict';

const UDP = 'candidate:1 1 udp 2122194687 192.0.2.1 5000 typ host generation 0';
const LATER = 'candidate:2 1 udp 1686052607 198.51.100.1 5000 typ srflx raddr 192.0.2.1 rport 5000';
const TCP = 'candidate:3 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active';

/** A browser's, of which the test says what it gathers and when. */
class Gathering extends EventTarget {
  iceGatheringState = 'new';
  connectionState = 'new';
  localDescription: { type: string; sdp: string } | null = null;
  isSet = Promise.withResolvers<void>();

  async createOffer(): Promise<RTCSessionDescriptionInit> {
    return { type: 'offer', sdp: 'v=0\r\n' };
  }

  async createAnswer(): Promise<RTCSessionDescriptionInit> {
    return { type: 'answer', sdp: 'v=0\r\n' };
  }

  async setLocalDescription(description: { type: string; sdp: string }): Promise<void> {
    this.localDescription = { ...description };
    this.isSet.resolve();
  }

  createDataChannel(label: string): EventTarget & { label: string } {
    return Object.assign(new EventTarget(), { label });
  }

  /** Its state is another now. */
  become(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  /** One more is known; undefined: that was all. */
  gather(candidate?: string): void {
    if (this.localDescription && candidate) this.localDescription.sdp += `a=${candidate}\r\n`;
    this.dispatchEvent(
      Object.assign(new Event('icecandidate'), { candidate: candidate ? { candidate } : null }),
    );
  }
}

/** {@link Gathering} as the class under test is made from it. */
type Meeting = Gathering & {
  onicecandidate: ((event: { candidate: { candidate: string } | null }) => void) | null;
};

describe('a connection by which pages meet', () => {
  const builtIn = globalThis.RTCPeerConnection;
  let meet: () => { connection: Meeting; told: (string | undefined)[] };
  before(async () => {
    globalThis.RTCPeerConnection = Gathering as never;
    const { MeetingPeerConnection } = await import('../../src/browser-node/meeting-peer-connection.ts');
    meet = () => {
      const connection = new MeetingPeerConnection() as unknown as Meeting;
      const told: (string | undefined)[] = [];
      connection.onicecandidate = ({ candidate }) => told.push(candidate?.candidate);
      return { connection, told };
    };
  });
  after(() => {
    globalThis.RTCPeerConnection = builtIn;
  });

  it('offers with the candidates that are there, and tells none of them again', async () => {
    const { connection, told } = meet();
    const offering = connection.createOffer();
    await connection.isSet.promise;
    connection.gather(UDP);
    connection.gather();
    assert.deepEqual(await offering, { type: 'offer', sdp: `v=0\r\na=${UDP}\r\n` });
    assert.deepEqual(told, []);
  });

  it('answers so, too, and tells what comes later', async () => {
    const { connection, told } = meet();
    const answering = connection.createAnswer();
    await connection.isSet.promise;
    connection.gather(UDP);
    assert.deepEqual(await answering, { type: 'answer', sdp: `v=0\r\na=${UDP}\r\n` });
    connection.gather(LATER);
    connection.gather();
    assert.deepEqual(told, [LATER, undefined]);
  });

  it('does not tell of TCP, which no browser listens on', async () => {
    const { connection, told } = meet();
    const offering = connection.createOffer();
    await connection.isSet.promise;
    connection.gather(UDP);
    connection.gather(TCP);
    assert.deepEqual(await offering, { type: 'offer', sdp: `v=0\r\na=${UDP}\r\n` });
    connection.gather(TCP);
    assert.deepEqual(told, []);
  });

  it('offers without any where nothing is gathered', async () => {
    const { connection } = meet();
    assert.deepEqual(await connection.createOffer(), { type: 'offer', sdp: 'v=0\r\n' });
  });

  it('keeps the description that was set when it was made', async () => {
    const { connection } = meet();
    const offer = await connection.createOffer();
    await connection.setLocalDescription({ type: 'offer', sdp: 'another' });
    assert.equal(connection.localDescription?.sdp, offer.sdp);
  });

  describe('the first channel', () => {
    /** What is heard of a channel while `task` runs. */
    function heardOf(label: string, task: (channel: EventTarget, connection: Meeting) => void): number {
      const { connection } = meet();
      const channel = connection.createDataChannel(label);
      let errors = 0;
      channel.addEventListener('error', () => errors++);
      task(channel, connection);
      return errors;
    }

    it('tells of it, once, where it will never open', () => {
      for (const state of ['failed', 'closed'])
        assert.equal(
          heardOf('init', (_, connection) => connection.become(state)),
          1,
          state,
        );
      const both = heardOf('init', (channel, connection) => {
        channel.dispatchEvent(new Event('close'));
        connection.become('failed');
      });
      assert.equal(both, 1);
    });

    it('says nothing while it may open yet, nor of its end when it was open', () => {
      assert.equal(
        heardOf('init', (_, connection) => connection.become('disconnected')),
        0,
      );
      const opened = heardOf('init', (channel, connection) => {
        channel.dispatchEvent(new Event('open'));
        channel.dispatchEvent(new Event('close'));
        connection.become('closed');
      });
      assert.equal(opened, 0);
    });

    it('is the only one that is watched', () => {
      assert.equal(
        heardOf('', (_, connection) => connection.become('failed')),
        0,
      );
    });
  });
});
