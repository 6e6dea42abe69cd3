import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { isOwnHost } from '../../src/cli/page-server.ts';
import { Scene } from './shoal-process.ts';

/** Status and body, asked for with such a `Host` and exactly such a path. */
function get(
  url: string,
  path: string,
  options: { host?: string; method?: string } = {},
): Promise<{ status: number; type: string; body: string }> {
  const { port, host } = new URL(url);
  const { promise, resolve, reject } = Promise.withResolvers<{
    status: number;
    type: string;
    body: string;
  }>();
  const headers = { host: options.host ?? host };
  request({ port, path, headers, method: options.method ?? 'GET', agent: false }, (response) => {
    const { statusCode: status = 0, headers } = response;
    text(response).then((body) => resolve({ status, type: headers['content-type'] ?? '', body }), reject);
  })
    .on('error', reject)
    .end();
  return promise;
}

describe('shoal web', () => {
  it('serves the page, the SDK and the node’s addresses to this machine, and nothing else', async () => {
    await using scene = new Scene();
    const web = scene.shoal('a', 'web', '--port', '0');
    const url = String((await web.waitFor('page'))['url']);
    const { peer, addresses } = await web.waitFor('listening');
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    const page = await get(url, '/');
    assert.match(page.body, /<title>Shoal/);
    assert.match(page.type, /text\/html/);
    for (const path of ['/page.js', '/page.css', '/shoal.min.js', '/shoal-sw.js', '/not-started.js'])
      assert.equal((await get(url, path)).status, 200, path);
    const node = JSON.parse((await get(url, '/node.json')).body) as Record<string, unknown>;
    assert.deepEqual([node['peer'], node['addresses']], [peer, addresses]);
    assert.ok((addresses as string[]).some((address) => address.includes('/webrtc-direct/')));
    for (const path of ['/../package.json', '/..%2fpackage.json', '//etc/passwd', '/chunks', '/nothing'])
      assert.equal((await get(url, path)).status, 404, path);
    // A name that somebody made to lead here.
    assert.equal((await get(url, '/node.json', { host: 'evil.test' })).status, 403);
    assert.equal((await get(url, '/', { method: 'POST' })).status, 405);
    web.signal('SIGINT');
    assert.equal(await web.exit(), 0);
  });

  it('is named without a port where that is 80, as browsers do, and by no other name', () => {
    for (const host of ['127.0.0.1', 'localhost', '127.0.0.1:80']) assert.ok(isOwnHost(host, 80), host);
    assert.ok(isOwnHost('localhost:8080', 8080));
    for (const host of ['localhost', 'localhost:80', 'evil.test:8080', undefined]) {
      assert.ok(!isOwnHost(host, 8080), host);
    }
  });

  it('says so where its port is taken', async () => {
    await using scene = new Scene();
    const first = scene.shoal('a', 'web', '--port', '0');
    const { port } = new URL(String((await first.waitFor('page'))['url']));
    const second = scene.shoal('b', 'web', '--port', port);
    assert.equal(await second.exit(), 1);
    const error = second.events.find(({ event }) => event === 'error');
    assert.equal(error?.['code'], 'ERR_ADDRESS_IN_USE');
    assert.match(String(error?.['message']), /--port/);
  });

  it('serves its page with the node of a running seed, and goes on with its own when that ends', async () => {
    await using scene = new Scene();
    const seed = scene.shoal('a', 'seed');
    const { peer, addresses } = await seed.waitFor('listening');
    const web = scene.shoal('a', 'web', '--port', '0');
    const url = String((await web.waitFor('page'))['url']);
    const told = await web.waitFor('listening');
    const node = async () => JSON.parse((await get(url, '/node.json')).body) as Record<string, unknown>;
    assert.deepEqual((await node())['addresses'], addresses);
    seed.signal('SIGKILL');
    await seed.exit();
    // The first was the seed's, told again.
    const own = await web.waitFor('listening', (event) => event !== told);
    assert.deepEqual((await node())['addresses'], own['addresses']);
    assert.equal(own['peer'], peer);
    assert.equal(web.events.filter(({ event }) => event === 'page').length, 1);
  });

  it('refuses what makes no sense', async () => {
    await using scene = new Scene();
    for (const args of [['--port', '70000'], ['--port', 'x'], ['--no-web']])
      assert.equal(await scene.shoal('a', 'web', ...args).exit(), 2, args.join(' '));
  });
});
