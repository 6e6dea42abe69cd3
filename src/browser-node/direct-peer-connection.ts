import { boundHandshake } from '../node/handshake-channel.ts';
import { EndingPeerConnection } from './ending-peer-connection.ts';

/**
 * What `@libp2p/webrtc` dials nodes with in pages (`scripts/lean-libp2p.ts` puts it there). Where the other end answers and
 * has another certificate than its address says, browsers tell of a failure and no more, and the dial waits in vain: this
 * ends it with an error that says so.
 */
export class DirectPeerConnection extends EndingPeerConnection {
  override createDataChannel(label: string, init?: RTCDataChannelInit): RTCDataChannel {
    const channel = super.createDataChannel(label, init);
    // The one of the handshake; once it is open the connection is watched by its owner, by this very handler.
    if (init?.negotiated) {
      boundHandshake(channel);
      this.onconnectionstatechange = () => {
        if (this.connectionState === 'failed' && this.iceConnectionState === 'connected')
          channel.dispatchEvent(new ErrorEvent('error', { error: Error('wrong-certificate') }));
      };
    }
    return channel;
  }
}
