import type { ActiveAsset, AssetTable } from './asset-table.ts';
import { MAX_CONTACTS_PER_MESSAGE } from './core/constants.ts';
import type { Event } from './core/events.ts';
import type { AssetKey } from './core/messages.ts';
import { dialable } from './dialer.ts';
import { EarlyGrants } from './early-grants.ts';
import type { LinkCare } from './link-care.ts';
import type { NamedRoot } from './named-roots.ts';
import type { NodeSwarm } from './node-swarm.ts';
import type { PeerLink } from './peer-link.ts';
import { fromWire, type toWire } from './translate.ts';
import type { ControlMessage } from './wire/control-message.ts';

/** What {@link LinkMessages} works with. */
export interface LinkMessagesHost {
  nowMs: () => number;
  assets: AssetTable;
  nodes: NodeSwarm;
  care: LinkCare;
  handle: (event: Event) => void;
  /** Whether a connected peer lacks something of an asset. */
  isLacked: (asset: AssetKey) => boolean;
  /** Whether this node has a transport for an address. */
  canDial: (address: string) => boolean;
}

/**
 * Takes what peers say on their control streams to whom it is for: the exchange, the fetching of nodes, or the link. Peers
 * name roots before they are active here, and what they say of one until then is kept, within bounds, and told when it is.
 */
export class LinkMessages {
  readonly #host: LinkMessagesHost;
  readonly #earlyGrants: EarlyGrants;

  constructor(host: LinkMessagesHost) {
    this.#host = host;
    const { nowMs, assets, nodes } = host;
    this.#earlyGrants = new EarlyGrants({
      nowMs,
      find: (text) => assets.get(text),
      isNaming: (text) => nodes.isNaming(text),
      get isNamingAny() {
        return nodes.isNamingAny;
      },
    });
  }

  receive(link: PeerLink, message: ControlMessage): void {
    const { assets, care, nodes } = this.#host;
    switch (message.type) {
      case 'hello':
        return;
      case 'ping':
        return care.pinged(link, message.nonce);
      case 'pong':
        return care.pong(link, message.nonce);
      case 'join':
        return this.#joined(link, message);
      case 'leave': {
        const named = link.named.leave(message.slot);
        const asset = named && assets.get(named.text);
        if (asset) this.#tell(link, { type: 'leave', asset: asset.key });
        return;
      }
      case 'nodes':
      case 'node':
        return nodes.receive(link, message);
      case 'have':
        this.#keepHave(link, message.slot, message.chunks);
        break;
      case 'grant':
        if (this.#earlyGrants.hold(link, message)) return;
        break;
      case 'bye':
        this.#tell(link, message);
        return link.endBy(message.reason);
    }
    if (message.type !== 'peers') return this.#pass(link, message);
    const contacts = dialable(message.contacts, this.#host.canDial);
    this.#keepContacts(link, { ...message, contacts });
    this.#pass(link, { ...message, contacts });
  }

  /** An asset became active: a peer that named it before is a member now. */
  activated(link: PeerLink, asset: ActiveAsset): void {
    const named = link.named.find(asset.text);
    if (named) this.#feedJoin(link, named, asset);
  }

  /** An asset was joined of which nothing is wanted yet. */
  opened(): void {
    this.#earlyGrants.opened();
  }

  /** Something of the asset is wanted: credit that came before is spent. */
  wanted(link: PeerLink, asset: ActiveAsset): void {
    if (link.named.find(asset.text)) this.#spendEarly(link);
  }

  #pass(link: PeerLink, message: Parameters<typeof fromWire>[0]): void {
    const own = fromWire(message, (slot) => this.#activeOf(link, slot)?.key);
    if (own) this.#tell(link, own);
  }

  #spendEarly(link: PeerLink): void {
    for (const grant of this.#earlyGrants.release(link)) this.#pass(link, grant);
  }

  #tell(link: PeerLink, message: Parameters<typeof toWire>[0]): void {
    this.#host.handle({ type: 'message', peer: link.peer, message });
  }

  #joined(link: PeerLink, message: Extract<ControlMessage, { type: 'join' }>): void {
    const { assets, care, nodes } = this.#host;
    const { slot, root, have, reply } = message;
    const named = link.named.join(slot, root, have, reply, (text) => this.#isInUse(text));
    if (!named) return;
    const asset = assets.get(named.text);
    if (asset) {
      this.#feedJoin(link, named, asset);
    } else {
      care.namedUnknown(link);
      link.named.keep(named);
      if (!nodes.isFetching(named.text)) assets.lookUp(named.root, named.text, link.peer);
    }
    nodes.joined(link, named);
  }

  /** Whether anything can flow of a root, or is about to. */
  #isInUse(text: string): boolean {
    const { assets, nodes, isLacked } = this.#host;
    const asset = assets.get(text);
    if (asset) return !asset.have.isFull || isLacked(asset.key);
    return assets.isLookingUp(text) || nodes.isNaming(text);
  }

  #feedJoin(link: PeerLink, named: NamedRoot, asset: ActiveAsset): void {
    const { have, announced, contacts } = named;
    // Who was told, as nodes were looked for, that nothing is here takes that for true, and asks no more.
    const reply = named.wantsReply || (link.asked.has(asset.key) && asset.have.count > 0);
    link.named.release(named);
    // What the peer has was handed on when the root was active before, or was too much to keep: it is asked anew.
    if (!have) this.#host.handle({ type: 'named', peer: link.peer, asset: asset.key });
    else this.#tell(link, { type: 'join', asset: asset.key, have, reply });
    if (have && announced.length > 0) this.#tell(link, { type: 'have', asset: asset.key, chunks: announced });
    if (contacts.length > 0) this.#tell(link, { type: 'peers', asset: asset.key, contacts, progress: 0 });
    this.#spendEarly(link);
  }

  #keepHave(link: PeerLink, slot: number, chunks: readonly number[]): void {
    const { assets, nodes } = this.#host;
    const named = link.named.get(slot);
    if (!named || named.hasLeft || assets.get(named.text)) return;
    const isSoonActive = nodes.isFetching(named.text) || assets.isLookingUp(named.text);
    link.named.keepAnnounced(named, chunks, isSoonActive);
  }

  /** Contacts come with the first answer to a JOIN: while the nodes are fetched, and so before the asset is active. */
  #keepContacts(link: PeerLink, { slot, contacts }: Extract<ControlMessage, { type: 'peers' }>): void {
    const named = link.named.get(slot);
    if (!named || this.#host.assets.get(named.text) || !this.#host.nodes.isNaming(named.text)) return;
    link.named.keepContacts(named, contacts.slice(0, MAX_CONTACTS_PER_MESSAGE));
  }

  #activeOf(link: PeerLink, slot: number): ActiveAsset | undefined {
    const named = link.named.get(slot);
    return named && this.#host.assets.get(named.text);
  }
}
