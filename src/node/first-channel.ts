/** Label of the channel by which the dialler makes a connection of `@libp2p/webrtc`; it closes it when it has seen it open. */
export const FIRST_CHANNEL = 'init';
