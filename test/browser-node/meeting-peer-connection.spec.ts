import assert from 'node:assert/strict';

const UDP = 'candidate:1 1 udp 2122194687 192.0.2.1 5000 typ host generation 0';
const LATER = 'candidate:2 1 udp 1686052607 198.51.100.1 5000 typ srflx raddr 192.0.2.1 rport 5000';
const TCP = 'candidate:3 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active';

/** A browser's, of which the test says what it gathers and when. */
class Gathering extends EventTarget {
  iceGatheringState = 'new';
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
});
