/**
 * What the codec accepts from a peer, each with its reason. All are checked before memory is taken.
 */

/** Version in HELLO; the protocol id carries the major version, this one counts compatible additions. */
export const WIRE_VERSION = 1;

/** The largest node that NODE carries: the block limit of the IPFS network. Shoal's own nodes stay below 256 KiB. */
export const MAX_NODE_ANSWER_BYTES = 2 << 20;

/** The longest control frame: one node and what surrounds it. A bitfield of 2²² chunks takes 512 KiB. */
export const MAX_CONTROL_FRAME_BYTES = MAX_NODE_ANSWER_BYTES + 4096;

/** The longest one before both sides have greeted: HELLO, and NODES and JOINs with a small bitfield behind it, take less than 5 KiB. */
export const MAX_GREETING_FRAME_BYTES = 16 << 10;

/** The longest header on the data stream. Its known fields take 30 bytes; the rest is room for later ones. */
export const MAX_DATA_HEADER_BYTES = 256;

/** Payload of one data frame: the largest chunk. */
export const MAX_PAYLOAD_BYTES = 1 << 20;

/** Chunk numbers are below this: the most leaves an asset may have. */
export const MAX_CHUNKS = 1 << 22;

/** A CIDv1 with sha2-256 takes 36 bytes; longer codes leave room for none that Shoal speaks. */
export const MAX_CID_BYTES = 64;

/** Nodes asked for in one NODES. 64 ordinary nodes are about 4 MiB of answer, enough to fill a long path. */
export const MAX_NODES_PER_REQUEST = 64;

/** Chunk numbers in one HAVE or offer, after runs are expanded. More go into a second message. */
export const MAX_CHUNKS_PER_MESSAGE = 1 << 14;

/** Runs in one REQUEST. A grant pays for at most 1,024 chunks. */
export const MAX_RUNS = 1024;

/** Contacts in one PEERS. The exchange believes at most 50, and sends fewer. */
export const MAX_CONTACTS = 64;

/** Addresses of one contact, and characters of one: multiaddrs with certificate hashes stay below 512. */
export const MAX_CONTACT_ADDRESSES = 16;
export const MAX_ADDRESS_BYTES = 512;

/** A peer id in base58 is 46 to 52 characters; RSA and future keys get some room. */
export const MAX_PEER_ID_BYTES = 128;

/** Features in HELLO, and bytes of one. */
export const MAX_FEATURES = 32;
export const MAX_FEATURE_BYTES = 64;

/** The text of a BYE, for logs. */
export const MAX_REASON_BYTES = 256;

/** Bytes that tell one run of a peer's process from the next. */
export const INSTANCE_BYTES = 8;
