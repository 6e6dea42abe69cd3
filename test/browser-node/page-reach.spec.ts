import assert from 'node:assert/strict';
import { multiaddr } from '@multiformats/multiaddr';
import { checkBrowser } from '../../src/browser-node/check-browser.ts';
import {
  announcedByPage,
  canPageDial,
  inPageOrder,
  noBrowserAddress,
  type PageReach,
} from '../../src/browser-node/page-reach.ts';

const HTTP: PageReach = { hasWebRtc: true, isHttps: false };
const HTTPS: PageReach = { hasWebRtc: true, isHttps: true };
const NO_RTC: PageReach = { hasWebRtc: false, isHttps: false };

const HASH = 'uEiDWA3BH2rqw9O37UYcFITyoEmf_O23hIZE-FtSAreJDyw';
const RELAY = '12D3KooWHJwu3DGrWquKYkGNS8mjV3g1Lw6M2j4HGpBc221ogbtX';
const OTHER_RELAY = '12D3KooWQkDk8HbnTiso3m98hEFyL7mMgD1VuhMMAonxc9wseUKD';
const DIRECT = '/ip4/192.0.2.1/udp/4001/webrtc-direct/certhash/uEiA/p2p/12D3';

describe('whom a page can reach', () => {
  it('are nodes of webrtc-direct with a certificate hash, where there is WebRTC', () => {
    assert.ok(canPageDial(DIRECT, HTTPS));
    assert.ok(!canPageDial(DIRECT, NO_RTC));
    assert.ok(!canPageDial('/ip4/192.0.2.1/udp/4001/webrtc-direct/p2p/12D3', HTTPS));
  });

  it('are plain WebSockets from http, and from https only on this machine', () => {
    assert.ok(canPageDial('/ip4/192.0.2.1/tcp/4001/ws/p2p/12D3', HTTP));
    assert.ok(!canPageDial('/ip4/192.0.2.1/tcp/4001/ws/p2p/12D3', HTTPS));
    assert.ok(canPageDial('/ip4/127.0.0.1/tcp/4001/ws', HTTPS));
    assert.ok(!canPageDial('/ip4/128.127.0.1/tcp/4001/ws', HTTPS));
    assert.ok(canPageDial('/dns4/a.example/tcp/443/wss', HTTPS));
    assert.ok(canPageDial('/dns4/a.example/tcp/443/tls/ws', HTTPS));
  });

  it('are none by TCP, nor what a relay itself would have to carry', () => {
    assert.ok(!canPageDial('/ip4/192.0.2.1/tcp/4001/p2p/12D3', HTTP));
    assert.ok(!canPageDial(`${DIRECT}/p2p-circuit`, HTTP));
    assert.ok(!canPageDial(`${DIRECT}/p2p-circuit/p2p/12D4`, HTTP));
  });

  it('are others by WebRTC, where the page can reach the relay by which they are found', () => {
    const other = '/p2p-circuit/webrtc/p2p/12D4';
    assert.ok(canPageDial(`${DIRECT}${other}`, HTTPS));
    assert.ok(!canPageDial(`${DIRECT}${other}`, NO_RTC));
    assert.ok(!canPageDial(`/ip4/192.0.2.1/tcp/4001/p2p/12D3${other}`, HTTP));
    assert.ok(canPageDial(`/ip4/192.0.2.1/tcp/4001/ws/p2p/12D3${other}`, HTTP));
    assert.ok(!canPageDial(`/ip4/192.0.2.1/tcp/4001/ws/p2p/12D3${other}`, HTTPS));
  });

  it('tell others where to find the page: a few addresses of each relay, that pages can dial', () => {
    const relay = (host: number, id: string, port: number) =>
      `/ip4/192.0.2.${host}/udp/${port}/webrtc-direct/certhash/${HASH}/p2p/${id}/p2p-circuit`;
    const addresses = [
      '/ip4/192.0.2.1/tcp/1/p2p-circuit/webrtc',
      relay(1, RELAY, 1),
      ...[1, 2, 3, 4].map((port) => `${relay(1, RELAY, port)}/webrtc`),
      `${relay(2, OTHER_RELAY, 1)}/webrtc`,
    ].map((text) => multiaddr(text));
    assert.deepEqual(announcedByPage(addresses, HTTPS).map(String), [
      ...[1, 2, 3].map((port) => `${relay(1, RELAY, port)}/webrtc`),
      `${relay(2, OTHER_RELAY, 1)}/webrtc`,
    ]);
    assert.deepEqual(announcedByPage(addresses, NO_RTC), []);
  });

  it('are dialled as they come, but on this machine over WebSocket first, from http', () => {
    const direct = (host: string) => `${host}/udp/1/webrtc-direct/certhash/${HASH}/p2p/${RELAY}`;
    const ws = (host: string) => `${host}/tcp/2/ws/p2p/${RELAY}`;
    const [far, own, own6] = ['/ip4/192.0.2.1', '/ip4/127.0.0.1', '/ip6/::1'];
    const link = [direct(own), direct(far), ws(own), ws(far), direct(own6), ws(own6)];
    const addresses = link.map((text) => multiaddr(text));
    assert.deepEqual(inPageOrder(addresses, HTTP).map(String), [
      ...[ws(own), direct(far), ws(own6), ws(far), direct(own), direct(own6)],
    ]);
    assert.deepEqual(inPageOrder(addresses, HTTPS).map(String), link);
  });

  it('tells why, and what would help', () => {
    assert.match(noBrowserAddress('bafy', [], HTTP).message, /without an address.*`peers`/);
    assert.match(
      noBrowserAddress('bafy', ['/ip4/1.2.3.4/tcp/1'], HTTP).message,
      /no address that a page can dial \(of 1\)/,
    );
    assert.match(noBrowserAddress('bafy', [DIRECT], NO_RTC).message, /no WebRTC/);
    assert.match(noBrowserAddress('bafy', ['/ip4/1.2.3.4/tcp/1/ws'], HTTPS).message, /https/);
  });
});

describe('a browser', () => {
  const scope = (changes: object) => ({
    ...{ isSecureContext: true, crypto, Promise, AbortSignal, Blob },
    ...changes,
  });

  it('that can do what is needed passes', () => {
    checkBrowser(scope({}) as never);
  });

  it('is told of an insecure context, and of what it is too old for', () => {
    assert.throws(() => checkBrowser(scope({ isSecureContext: false }) as never), {
      code: 'ERR_INSECURE_CONTEXT',
    });
    assert.throws(() => checkBrowser(scope({ crypto: {} }) as never), { code: 'ERR_INSECURE_CONTEXT' });
    assert.throws(() => checkBrowser(scope({ AbortSignal: {} }) as never), {
      code: 'ERR_UNSUPPORTED_PLATFORM',
      message: /AbortSignal\.any/,
    });
  });
});
