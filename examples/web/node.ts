import { createShoal, serveMedia, type PageMedia, type PageShoal } from 'shoal/browser';

/** The node of this page, and what there is around it. */
export interface Here {
  shoal: PageShoal;
  /** The id of the node that serves this page, where there is one: `shoal web` is. */
  hostPeer: string | undefined;
  /** Undefined where no service worker can run; `onProblem` was told why. */
  media: Promise<PageMedia | undefined>;
}

/** `node.json` beside the page: what `shoal web` tells, and what a site may tell of a node of its own. */
interface NodeInfo {
  network?: string;
  peer?: string;
  addresses?: string[];
}

/** Starts the node. @param onProblem told of what only the media lack, or of what broke off a request for them */
export async function startNode(onProblem: (error: unknown) => void): Promise<Here> {
  const { network, peer, addresses = [] } = await nodeInfo();
  const shoal = await createShoal({ network, peers: chosen(addresses), persist: true });
  // Announces what is kept from earlier visits, and looks for those it was fetched with.
  void shoal.seed().catch(() => undefined);
  const media = serveMedia(shoal, { onError: ({ error }) => onProblem(error) }).catch((error: unknown) => {
    onProblem(error);
    return undefined;
  });
  return { shoal, hostPeer: peer, media };
}

async function nodeInfo(): Promise<NodeInfo> {
  try {
    const response = await fetch('node.json');
    return response.ok ? ((await response.json()) as NodeInfo) : {};
  } catch {
    // Another server, which has nothing there or answers with a page.
    return {};
  }
}

/** One address of the host that this page can dial: WebRTC where the browser has it, that of this machine first. */
function chosen(addresses: readonly string[]): string[] {
  const way =
    typeof RTCPeerConnection === 'function' ? /\/webrtc-direct\/certhash\// : /\/(wss|tls\/ws|ws)(\/|$)/;
  const usable = addresses.filter((address) => way.test(address));
  const local = usable.find((address) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(address));
  const first = local ?? usable[0];
  return first === undefined ? [] : [first];
}
