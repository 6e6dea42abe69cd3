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

const WEBRTC = /\/webrtc-direct\/certhash\//;
const WEBSOCKET = /\/(wss|tls\/ws|ws)(\/|$)/;
const THIS_MACHINE = /^\/(ip4\/127\.|ip6\/::1\/)/;

/**
 * One address of the host that this page can dial: that of this machine first, and WebRTC where the browser has it. But of
 * this machine WebSocket, where the page came over plain http: Firefox sends nothing of WebRTC there.
 */
function chosen(addresses: readonly string[]): string[] {
  const local = addresses.filter((address) => THIS_MACHINE.test(address));
  const isPlain = location.protocol === 'http:';
  const way = typeof RTCPeerConnection === 'function' ? WEBRTC : WEBSOCKET;
  const first =
    (isPlain && local.find((address) => WEBSOCKET.test(address))) ||
    [...local, ...addresses].find((address) => way.test(address));
  return first === undefined ? [] : [first];
}
