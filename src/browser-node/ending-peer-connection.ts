/**
 * A WebRTC connection that ends when the other end closes it. Browsers take that for an outage, call the connection
 * `disconnected`, and `failed` half a minute later, though no channel can be opened over it any more; so a page that met
 * sixty others within that time closed the newest, being full. Where there is no WebRTC nothing is made of it.
 */
export class EndingPeerConnection extends (globalThis.RTCPeerConnection ?? Object) {
  constructor(configuration?: RTCConfiguration) {
    super(configuration);
    const open = (): void => {
      const { sctp } = this;
      if (this.connectionState !== 'connected' || !sctp) return;
      this.removeEventListener('connectionstatechange', open);
      sctp.addEventListener('statechange', () => {
        if (sctp.state === 'closed') this.#end();
      });
    };
    this.addEventListener('connectionstatechange', open);
  }

  /** Who closes a connection is not told that it closed: here its owner did not. */
  #end(): void {
    if (this.connectionState === 'closed') return;
    this.close();
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}
