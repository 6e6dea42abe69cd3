/** What a relay speaks (circuit relay v2, libp2p specs, `relay/circuit-v2.md`). A file of its own: it loads nothing. */
export const RELAY_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop';
