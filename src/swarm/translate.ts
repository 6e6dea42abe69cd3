import type { AssetKey, Contact, Message } from './core/messages.ts';
import type { ControlMessage } from './wire/control-message.ts';
import { MAX_ADDRESS_BYTES, MAX_CHUNKS_PER_MESSAGE } from './wire/limits.ts';

const textEncoder = new TextEncoder();

/** Stands for an asset that is not active here: the core knows none of this number, and gives the credit back. */
const NO_ASSET: AssetKey = -1;

/**
 * The core's messages as they go on the wire. This node's slot of an asset is the asset's number, so nothing
 * but JOIN needs a look-up.
 *
 * @param rootOf the binary CID of an asset, or undefined where it is not active any more
 * @returns one message or more (a long HAVE is cut); none for a JOIN of an asset that is gone
 */
export function toWire(
  message: Message,
  rootOf: (asset: AssetKey) => Uint8Array | undefined,
): ControlMessage[] {
  switch (message.type) {
    case 'join': {
      const root = rootOf(message.asset);
      const { asset: slot, have, reply } = message;
      return root ? [{ type: 'join', slot, root, have, reply }] : [];
    }
    case 'leave':
      return [{ type: 'leave', slot: message.asset }];
    case 'have':
      return slices(message.chunks).map((chunks) => ({ type: 'have', slot: message.asset, chunks }));
    case 'grant': {
      // `only` is the asset's number, and so the slot.
      const { offer, ...grant } = message;
      if (!offer) return [grant];
      return [
        { ...grant, offer: { slot: offer.asset, chunks: offer.chunks.slice(0, MAX_CHUNKS_PER_MESSAGE) } },
      ];
    }
    case 'request':
      return [{ type: 'request', grant: message.grant, slot: message.asset, runs: message.runs }];
    case 'cancel':
      return [{ type: 'cancel', slot: message.asset, chunk: message.chunk }];
    case 'reject':
      return [{ type: 'reject', slot: message.asset, chunk: message.chunk, reason: message.reason }];
    case 'peers': {
      const { asset: slot, contacts, progress } = message;
      return [{ type: 'peers', slot, contacts: contacts.flatMap(sendable), progress }];
    }
    default:
      return [message];
  }
}

/**
 * A message from the wire as the core takes it.
 *
 * @param assetOf the active asset behind the peer's slot
 * @returns undefined where it is about an asset that is not active here
 */
export function fromWire(
  message: Extract<
    ControlMessage,
    { type: 'grant' | 'decline' | 'have' | 'request' | 'cancel' | 'reject' | 'ack' | 'peers' | 'bye' }
  >,
  assetOf: (slot: number) => AssetKey | undefined,
): Message | undefined {
  if (message.type === 'grant') {
    const { offer: offered, only: slot, ...grant } = message;
    const asset = offered && assetOf(offered.slot);
    const offer = offered && asset !== undefined && { asset, chunks: offered.chunks };
    const only = slot === undefined ? undefined : (assetOf(slot) ?? NO_ASSET);
    return { ...grant, ...(offer && { offer }), ...(only !== undefined && { only }) };
  }
  if (!('slot' in message)) return message;
  const asset = assetOf(message.slot);
  if (asset === undefined) return undefined;
  const { slot: _slot, ...rest } = message;
  return { ...rest, asset };
}

/**
 * The core bounds an address in characters, the wire in bytes, and a host's name may be in any script. What a peer says of itself
 * must not go on to others who cut off this node for it.
 */
function sendable({ peer, addresses }: Contact): Contact[] {
  const some = addresses.filter((address) => !isTooLong(address));
  return some.length > 0 ? [{ peer, addresses: some }] : [];
}

/** One of a string's units is three bytes of UTF-8 at most, so that few addresses need be encoded to know. */
function isTooLong(address: string): boolean {
  return address.length * 3 > MAX_ADDRESS_BYTES && textEncoder.encode(address).byteLength > MAX_ADDRESS_BYTES;
}

function slices(chunks: readonly number[]): (readonly number[])[] {
  if (chunks.length <= MAX_CHUNKS_PER_MESSAGE) return [chunks];
  const parts: (readonly number[])[] = [];
  for (let at = 0; at < chunks.length; at += MAX_CHUNKS_PER_MESSAGE) {
    parts.push(chunks.slice(at, at + MAX_CHUNKS_PER_MESSAGE));
  }
  return parts;
}
