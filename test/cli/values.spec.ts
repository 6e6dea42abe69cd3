import assert from 'node:assert/strict';
import { bases } from 'multiformats/basics';
import { CID } from 'multiformats/cid';
import fc from 'fast-check';
import {
  parseAddress,
  parseAsset,
  parseTimeout,
  parseChunkSize,
  parseCount,
  parseDuration,
  parseNetwork,
  parseRate,
  parseSize,
} from '../../src/cli/values.ts';

describe('values on the command line', () => {
  it('reads times in ms, s, m and h', () => {
    assert.equal(parseDuration('500ms'), 500);
    assert.equal(parseDuration('10s'), 10_000);
    assert.equal(parseDuration('2m'), 120_000);
    assert.equal(parseDuration('1h'), 3_600_000);
    assert.equal(parseDuration('1.5s'), 1_500);
    assert.equal(parseDuration('0'), 0);
  });

  it('refuses a time without a unit, with an unknown one, or longer than a timer can wait', () => {
    for (const text of ['', '10', '5y', '-1s', '1e3s', 's', '1s2', '9999h', 'Infinity']) {
      assert.throws(() => parseDuration(text), { code: 'commander.invalidArgument' }, text);
    }
  });

  it('refuses to wait for no time at all', () => {
    assert.equal(parseTimeout('300ms'), 300);
    for (const text of ['0', '0s', '0.1ms', 'soon'])
      assert.throws(() => parseTimeout(text), { code: 'commander.invalidArgument' }, text);
  });

  it('refuses what cannot be a multiaddr, and leaves the rest to the SDK', () => {
    for (const text of ['/ip4/127.0.0.1/tcp/0', '/dns4/example.org/tcp/443/p2p/12D3KooW', '/ip4/nonsense'])
      assert.equal(parseAddress(text), text);
    for (const text of [
      '',
      '/',
      '/ip4',
      '/ip4/',
      '//x',
      'localhost:80',
      'ip4/127.0.0.1',
      '/ip4/127.0.0.1 /tcp',
    ])
      assert.throws(() => parseAddress(text), { code: 'ERR_INVALID_MULTIADDR' }, text);
  });

  it('reads decimal and binary sizes, in any case', () => {
    assert.equal(parseSize('64KiB'), 65_536);
    assert.equal(parseSize('2MB'), 2_000_000);
    assert.equal(parseSize('1.5GB'), 1_500_000_000);
    assert.equal(parseSize('1 gib'), 1_073_741_824);
    assert.equal(parseSize('123'), 123);
  });

  it('refuses a size whose unit could be decimal or binary', () => {
    for (const text of ['1k', '2M', '3G', '', 'MB', '1.2.3MB', '0x10', '99999999TB']) {
      assert.throws(() => parseSize(text), { code: 'commander.invalidArgument' }, text);
    }
  });

  it('reads how many', () => {
    assert.equal(parseCount('12'), 12);
    for (const text of ['0', '-1', '1.5', '', 'x']) assert.throws(() => parseCount(text), /whole number/);
  });

  it('reads a rate with and without /s, and refuses none at all', () => {
    assert.equal(parseRate('2MB/s'), 2_000_000);
    assert.equal(parseRate('2MB'), 2_000_000);
    assert.equal(parseRate('512KiB/S'), 524_288);
    assert.throws(() => parseRate('0'), { code: 'commander.invalidArgument' });
    assert.throws(() => parseRate('2MB/m'), { code: 'commander.invalidArgument' });
  });

  it('takes powers of two from 1 KiB to 1 MiB as chunk sizes, and nothing else', () => {
    for (let bits = 10; bits <= 20; bits++) assert.equal(parseChunkSize(String(2 ** bits)), 2 ** bits);
    for (const text of ['512', '2MiB', '3KiB', '1MB', '0']) {
      assert.throws(() => parseChunkSize(text), { code: 'commander.invalidArgument' }, text);
    }
  });

  it('takes the names of networks that the SDK takes', () => {
    assert.equal(parseNetwork('main'), 'main');
    for (const text of ['', 'Main', 'a b', 'a/b', 'x'.repeat(65)]) {
      assert.throws(() => parseNetwork(text), { code: 'commander.invalidArgument' }, text);
    }
  });

  it('reads back every whole number of any unit', () => {
    const units = { B: 1, kB: 1e3, MB: 1e6, KiB: 1024, MiB: 2 ** 20 };
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])),
        (number, unit) => {
          assert.equal(parseSize(`${number}${unit}`), number * units[unit]);
        },
      ),
    );
  });

  it('take for a CID or link what may be one, in any multibase', () => {
    const bytes = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy').bytes;
    for (const { encoder } of Object.values(bases)) {
      const text = encoder.encode(bytes);
      for (const asset of [text, `shoal:${text}?n=a`, ` shoal://${text} `])
        assert.equal(parseAsset(asset), asset);
    }
    for (const text of ['', ' ', 'video.mp4', 'bafkreigh2akis', 'shoal:bafkrei'])
      assert.throws(() => parseAsset(text), { code: 'ERR_INVALID_CID' }, text);
    assert.throws(() => parseAsset('shoal:?n=video.mp4'), { code: 'ERR_INVALID_LINK' });
  });
});
