import { FIRST_CHANNEL } from '../node/first-channel.ts';
import { EndingPeerConnection } from './ending-peer-connection.ts';

/** What hosts have is there sooner; a STUN server may take longer, and what it tells follows by itself. */
const GATHER_MS = 40;

/** None has come for so long: the others are of another kind. */
const SILENT_MS = 10;

/** TCP between browsers: none listens, so nobody has a use for it. */
const USELESS = /^(?:a=)?candidate:\S+ \d+ tcp /i;

/**
 * What `@libp2p/webrtc` meets other pages with (`scripts/lean-libp2p.ts` puts it there): the offer and the answer have the
 * candidates in them that are known at once, where it tells each in a message of its own. Eight messages and more for each
 * connection went through the relay that way, each by four processes. And whoever waits for the first channel hears of it where
 * it will never open: a dial whose connection failed went on waiting, to the end of its time.
 */
export class MeetingPeerConnection extends EndingPeerConnection {
  /** The description with candidates has been given out: from now on they are told one by one. */
  #isTold = false;
  #handler: RTCPeerConnection['onicecandidate'] = null;

  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    this.addEventListener('icecandidate', (event) => {
      if (!this.#isTold || (event.candidate && USELESS.test(event.candidate.candidate))) return;
      this.#handler?.call(this, event);
    });
  }

  override get onicecandidate(): RTCPeerConnection['onicecandidate'] {
    return this.#handler;
  }

  override set onicecandidate(handler: RTCPeerConnection['onicecandidate']) {
    this.#handler = handler;
  }

  override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
    const channel = super.createDataChannel(label, options);
    if (label === FIRST_CHANNEL) this.#tellWhenLost(channel);
    return channel;
  }

  // As with callbacks, too, the DOM's types have it.
  override async createOffer(): Promise<never> {
    return (await this.#gathered(await super.createOffer())) as never;
  }

  override async createAnswer(): Promise<never> {
    return (await this.#gathered(await super.createAnswer())) as never;
  }

  /** It is set already, since gathering begins with that. */
  override async setLocalDescription(): Promise<void> {}

  #tellWhenLost(channel: RTCDataChannel): void {
    const watching = new AbortController();
    const options = { signal: watching.signal };
    const lost = (): void => {
      watching.abort();
      // The event itself is what the dial fails with: p-event throws what it hears.
      const failure = { name: 'ConnectionFailedError', message: 'the connection ended before it was open' };
      channel.dispatchEvent(Object.assign(new Event('error'), failure));
    };
    channel.addEventListener('open', () => watching.abort(), options);
    channel.addEventListener('close', lost, options);
    this.addEventListener(
      'connectionstatechange',
      () => {
        if (this.connectionState === 'failed' || this.connectionState === 'closed') lost();
      },
      options,
    );
  }

  async #gathered(description: RTCSessionDescriptionInit): Promise<RTCSessionDescriptionInit> {
    const listening = new AbortController();
    const known = this.#firstKnown(listening.signal);
    try {
      await super.setLocalDescription(description);
      await known;
    } finally {
      listening.abort();
    }
    this.#isTold = true;
    const sdp = this.localDescription?.sdp ?? description.sdp ?? '';
    return {
      type: description.type,
      sdp: sdp.replaceAll(/^a=.*\r\n/gm, (line) => (USELESS.test(line) ? '' : line)),
    };
  }

  /** Resolves when the candidates are there that come at once, or when it was aborted. */
  #firstKnown(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const limit = setTimeout(resolve, GATHER_MS);
    let silence: ReturnType<typeof setTimeout> | undefined;
    const hear = ({ candidate }: RTCPeerConnectionIceEvent): void => {
      // Chromium gathers for TCP when it has what there is for UDP.
      if (!candidate || USELESS.test(candidate.candidate)) return resolve();
      clearTimeout(silence);
      silence = setTimeout(resolve, SILENT_MS);
    };
    this.addEventListener('icecandidate', hear, { signal });
    signal.addEventListener('abort', () => {
      clearTimeout(limit);
      clearTimeout(silence);
      resolve();
    });
    return promise;
  }
}
