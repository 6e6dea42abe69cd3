/**
 * The figures of the exchange, each with its reason. Times are milliseconds. docs/protocol.md explains the
 * algorithm they belong to.
 */

/** HAVE and ACK wait at least this long for company: far below a round trip. */
export const BATCH_MS = 20;

/**
 * News goes out at once to a peer that is granted credit, which is when it can use it; to all others so often that a
 * node sends this many HAVEs a second in all, and no later than {@link LONGEST_BATCH_MS}. With 60 neighbours and 20 ms
 * for each batch HAVE alone was 0.8 % of the payload; with this it is 0.08 %.
 */
export const HAVES_PER_SEC = 80;
export const LONGEST_BATCH_MS = 500;

/**
 * A HAVE by itself is a packet of so many bytes with its headers, and one of TCP's that acknowledges it, which nothing else
 * carries on a slow path; all of them are to take no more than this share of the uplink, unless news would wait for longer
 * than that. (Thirty peers at 1 Mbit/s sent 18 HAVEs for each chunk of 64 KiB, three of four packets.)
 */
export const HAVE_BYTES = 110 + 66;
export const HAVE_SHARE = 0.01;
export const LONGEST_SLOW_BATCH_MS = 4000;

/** An ACK goes out at once when this many bytes wait for it, so that fast links are not slowed by the batching. */
export const ACK_AT_BYTES = 256 * 1024;

/** Added to the round trips in the look-ahead: the batching of ACKs, timers, and some queue at all times. */
export const LOOK_AHEAD_MARGIN_MS = 50;

/**
 * The block by which the look-ahead is rounded up is no more than the uplink delivers in this time: where a chunk takes longer,
 * whoever is to have the next one would give it up before its turn came, for it has waited for {@link UNKNOWN_REISSUE_MS}.
 */
export const NEXT_MS = 5000;

/** A round-trip time nobody measured yet: an ordinary path across a continent. */
export const UNKNOWN_RTT_MS = 100;

/** A longer round trip is not believed when sizing the look-ahead: a peer that delays its pongs must not inflate it. */
export const MAX_RTT_MS = 500;

/**
 * A lease is four round trips, and twice as long as the peer lately took to answer a grant, within these: long enough for
 * a busy peer, short enough to get credit back. A slow uplink, or a machine that is short of CPU time, takes seconds: at
 * an origin leases that ran out first had one chunk offered to two, and sent to both.
 */
export const MIN_LEASE_MS = 1000;
export const MAX_LEASE_MS = 6000;

/** The grantor waits so much longer (and a round trip) than the lease, because the grant itself may queue behind data. */
export const LEASE_SLACK_MS = 250;

/**
 * A whole grant declined: leave the peer alone for so long. While it keeps wanting nothing the pause doubles up
 * to {@link LONGEST_DECLINE_MS}; it says by HAVE or JOIN when it wants again, the pause is only the safety net.
 */
export const DECLINE_MS = 250;
export const LONGEST_DECLINE_MS = 5000;

/** A peer that has declined may be reminded so often that a request was released and its credit is welcome. */
export const REMIND_MS = 1000;

/** A request is never given up earlier: shorter than this is jitter, not failure. */
export const MIN_REISSUE_MS = 2000;

/** Time allowed for a request to a peer of which nothing is known. */
export const UNKNOWN_REISSUE_MS = 10_000;

/**
 * A peer that has never sent anything is silent so long (and so many round trips) after it was asked: its look-ahead is
 * two round trips, and a chunk of 1 MiB at 10 Mbit/s takes 0.8 s. What it was asked for may then be asked of others,
 * as soon as one has credit and nothing else to give.
 */
export const SILENT_MS = 500;
export const SILENT_ROUND_TRIPS = 3;

/** The same where nothing else is left to ask for and another neighbour has the chunk: peers that lie cost this once. */
export const UNPROVEN_REISSUE_MS = 3000;

/**
 * A request whose data comes slowly is given up only where another neighbour has the chunk, and not before ten seconds
 * ({@link UNKNOWN_REISSUE_MS}) and what it takes at 4 kB/s have passed since the peer began with it, or two minutes.
 * Without it a peer could hold up the last chunks by a byte now and then.
 */
export const SLOW_REISSUE_MS = 120_000;
export const SLOW_BYTES_PER_SEC = 4000;

/** A request is given up at so many times its expected service time (SCHEDULING: 4). */
export const REISSUE_FACTOR = 4;

/**
 * A chunk that was taken back from a peer is asked of others for so long: the first copy may be on its way. Its data is no
 * lie later either, for it stands before a slow downlink for as long as that takes: all of this time is tolerated, and
 * the last so many of each peer.
 */
export const TOMBSTONE_MS = 120_000;
export const TOMBSTONES_KEPT = 1024;

/** A grant is worth at least the smallest default chunk, so that an asset of tiny files is not a grant for each. */
export const MIN_GRANT_BYTES = 64 * 1024;

/** Most chunks an origin offers with one grant: each choice is a pass over the chunks. */
export const MAX_OFFER = 16;

/** My news end a peer's pause until it has declined this often in a row; then only its own JOIN or HAVE does. */
export const PATIENT_DECLINES = 4;

/**
 * What may be asked of an unknown peer at once: the greater of 2 chunks and 1 MiB, no less than an honest peer grants
 * one it knows nothing of (`grant-terms.ts`).
 * Each verified byte adds {@link TRUST_GROWTH} bytes, so that trust keeps ahead of a grantor whose rate doubles
 * each round; each request given up halves it. It bounds what a peer that grants and never delivers holds up.
 */
export const FIRST_TRUST_CHUNKS = 2;
export const FIRST_TRUST_BYTES = 1024 * 1024;
export const TRUST_GROWTH = 2;

/** Most chunks asked for with one grant. Bounds the work that a REQUEST of tiny chunks can cause. */
export const MAX_CHUNKS_PER_GRANT = 1024;

/** Share of grants that may go to peers which never gave, besides {@link GIFT_GRANTS}: bounds what new identities earn. */
export const GIFT_SHARE = 0.05;

/** Gifts allowed from the start, so that a new swarm gets going. */
export const GIFT_GRANTS = 4;

/** An origin in offload mode stops at so many times the file: one copy, and what second copies and losses take. */
export const OFFLOAD_SHARE = 1.05;

/** A peer that announces nothing for so long gets its chunks from an offloaded origin after all: it finds no others. */
export const OFFLOAD_STUCK_MS = 30_000;

/** A complete node gives each grant with this chance regardless of what it once received (optimistic unchoke's part). */
export const OPEN_GRANT_CHANCE = 0.2;

/** A complete node favours those who once gave, after this many chunks given for nothing. */
export const FREE_CHUNKS_WHEN_COMPLETE = 4;

/** The origin ranks peers by unforwarded chunks in steps of this many: finer steps would chase HAVEs still under way. */
export const UNFORWARDED_STEP = 3;

/**
 * An origin takes a peer that passed over so many chunks it was offered, without announcing them since, for one that
 * hides what it has. Honest ones have as many as come to them in the time that a HAVE takes: some.
 */
export const MAX_PASSED_OVER = 8;

/** Expiry, deadlines and neighbours are looked at this often while anything is going on. */
export const TICK_MS = 250;

/**
 * Without the wake that comes each {@link TICK_MS}, or anything else, for so long this process stood still, and nobody is to
 * blame. Longer than a second, as seldom as timers of a page come that is not looked at; and counted so often at most.
 */
export const MAX_PAUSE_MS = 1500;
export const PAUSES_MS = 10_000;

/** How often neighbours are counted, laggards dial and dials are retried. */
export const GRAPH_MS = 1000;

/** An uploader with nobody to serve dials at most this often. */
export const IDLE_DIAL_MS = 300;

/** Contacts go out to a neighbour at most this often, and only when they changed. */
export const PEERS_MS = 20_000;

/** PEERS of one peer in one asset's swarm are heeded so often: a quarter of {@link PEERS_MS}, for messages may bunch. */
export const PEERS_HEED_MS = 5000;

/** Most contacts kept that one peer told of: a neighbour must not fill the table with inventions. */
export const MAX_CONTACTS_PER_SOURCE = 50;

/** Dials at once, one swarm's degree, and a second: more of them would make this node a weapon of who names addresses. */
export const DIAL_BURST = 30;
export const DIALS_PER_SEC = 10;

/**
 * Dials under way at once: those who start together dial each other, and links that come in count. With all dials at once
 * a swarm that starts together has twice the degree, and twice the HAVEs; with six it forms in twice the time (equal
 * uplinks, N = 100: 0.4 points of the bound). Where dials take longer than {@link FRESH_DIAL_MS} they are fewer.
 */
export const DIALS_AT_ONCE = 12;
export const LEAST_DIALS_AT_ONCE = 4;

/**
 * Of two members that heard of each other the one with the greater id waits so long for the other's dial: time for a
 * handshake of five round trips of a long path. A crowd that started together made half as many connections again.
 */
export const YIELD_MS = 1000;

/** A dial that is older, and by so many of those that came through, does not hold up others: it may be to somebody gone. */
export const FRESH_DIAL_MS = 1000;
export const USUAL_DIALS = 3;

/** Contacts sent to a neighbour in one message: with a degree of 30 a newcomer hears of hundreds. */
export const CONTACTS_SENT = 4;

/** Most contacts believed in a PEERS message. */
export const MAX_CONTACTS_PER_MESSAGE = 50;

/** Most addresses kept of a contact, and the longest one: a multiaddr with certificate hashes stays below 512 characters. */
export const MAX_ADDRESSES = 8;
export const MAX_ADDRESS_CHARS = 512;

/** A dial that failed is retried after this, doubling to {@link MAX_REDIAL_MS}. */
export const REDIAL_MS = 5000;
export const MAX_REDIAL_MS = 600_000;

/** A link younger than this may still be joining. */
export const YOUNG_MS = 5000;

/** A dial without an answer is forgotten after this. */
export const DIAL_TIMEOUT_MS = 30_000;

/** Unacknowledged for longer than this (and four times what the uplink needs for its queue): the link is dead. */
export const STALL_MS = 30_000;

/** Without an acknowledgement for so long (and four times what is usual) a peer's way is taken to be interrupted. */
export const STUCK_MS = 1000;

/**
 * JOINs of one link that are answered at once, besides the first of each asset, and those a second: each costs a
 * pass over a bitfield and an answer. More are passed over, which costs nothing; only at {@link JOIN_FLOOD} times
 * the burst is it a flood, for whoever opens hundreds of assets or seeks through one does no wrong.
 */
export const JOIN_BURST = 64;
export const JOINS_PER_SEC = 10;
export const JOIN_FLOOD = 10;

/** A JOIN counts once more for so many chunks of which it says something else than before: a millisecond or two of counting. */
export const CHANGES_PER_JOIN = 65_536;

/** The first JOIN of an asset pays for so many more of it: what is opened is then wanted, and wanted differently. */
export const JOINS_PER_ASSET = 4;

/** The first JOIN after a LEAVE is free so often: an asset that is closed and opened again is no flood. */
export const FREE_JOIN_MS = 1000;

/**
 * A connected peer left an asset of which something is wanted: it is asked again after so long, twice as long each
 * time. It may only have had too many assets open at once.
 */
export const ASK_AGAIN_MS = 10_000;
export const LONGEST_ASK_AGAIN_MS = 600_000;

/**
 * Changed wishes are told at once so many times, and so often a second, and once more for each chunk that the peer gave: who reads
 * many small files one after another wishes anew after each. Beyond that by the reminders only.
 */
export const ASK_BURST = 16;
export const ASKS_PER_SEC = 5;

/** Requests without credit that are only rejected; one more and the peer is dropped. */
export const MAX_STRIKES = 32;

/**
 * Messages without use that a peer may send at once, and a second; each chunk it gives or takes allows for more. The
 * most an honest one sends at once is a look-ahead of credit to a peer that wants nothing: 64 MiB in chunks of 64 KiB
 * are 1024 grants, and as many declines of them come late.
 */
export const USELESS_BURST = 4096;
export const USELESS_PER_SEC = 100;

/**
 * Chunks that may be looked at at once, and a second, for credit of one peer with which nothing can be asked for; each verified
 * byte of it allows for one more. Of a peer that is doubted each is asked of others where it can be, at 0.14 µs: of 262,144
 * chunks 36 ms for each grant.
 */
export const LOOKS_BURST = 1_000_000;
export const LOOKS_PER_SEC = 500_000;

/** A HAVE counts once more for so many chunks that were known: each costs a look at a bit. */
export const KNOWN_HAVES_PER_MESSAGE = 256;

/**
 * A peer that breaks its promises more often than this in a row, without a chunk between, is dropped; what it breaks
 * within {@link PROMISE_MS} counts once. So it takes at least a minute, longer than any stall that a link survives.
 */
export const BROKEN_PROMISES = 6;
export const PROMISE_MS = 10_000;

/** Peers whose ledger is remembered after they left, so that reconnecting does not wipe a debt or a merit. */
export const PAST_LEDGERS = 1024;
