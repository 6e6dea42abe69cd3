import { identifyPush, type IdentifyPush } from '@libp2p/identify';
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface';
import type { AddressManager } from '@libp2p/interface-internal';

type Components = Parameters<ReturnType<typeof identifyPush>>[0] & {
  events: TypedEventTarget<Libp2pEvents>;
  addressManager: AddressManager;
};

/** A relay tells of all its addresses at once; peers that wait for them do not wait long. */
const DEBOUNCE_MS = 50;

/**
 * identify push: tells those that are connected of addresses that come later, by a relay or by AutoNAT, so that they can tell
 * others. The stock one waits for two seconds, and tells everybody once more of what identify has just told them when a
 * node starts, which is when a crowd has better to do.
 */
export function promptPush(): (components: Components) => IdentifyPush {
  const make = identifyPush({ runOnSelfUpdate: false, debounce: DEBOUNCE_MS });
  return (components) => {
    const service = make(components);
    let told: string | undefined;
    const tell = (): void => {
      const now = components.addressManager.getAddresses().join(' ');
      // What a node listens on itself is there before anybody is connected.
      const isFirst = told === undefined && !now.includes('/p2p-circuit');
      const isNews = now !== told;
      told = now;
      if (!isFirst && isNews) void service.push();
    };
    components.events.addEventListener('transport:listening', tell);
    components.events.addEventListener('self:peer:update', tell);
    return service;
  };
}
