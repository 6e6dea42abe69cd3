import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { readFile } from 'node:fs/promises';
import { defaultDataDir } from '../../src/node/data-dir.ts';
import { IdleWatch } from '../../src/node/idle-watch.ts';
import { RateMeter } from '../../src/node/rate-meter.ts';
import { UploadTally } from '../../src/node/upload-tally.ts';
import { version } from '../../src/version.ts';

describe('RateMeter', () => {
  it('tells bytes per second over its window', () => {
    const meter = new RateMeter(1000);
    meter.sample(0, 0);
    meter.sample(500, 1000);
    assert.equal(meter.bytesPerSec, 2000);
  });

  it('forgets what is older than its window', () => {
    const meter = new RateMeter(1000);
    for (let at = 0; at <= 10_000; at += 100) meter.sample(at, at < 5000 ? at : 5000);
    assert.equal(meter.bytesPerSec, 0);
  });

  it('is 0 before there is anything to compare', () => {
    const meter = new RateMeter();
    meter.sample(0, 5);
    assert.equal(meter.bytesPerSec, 0);
  });
});

describe('IdleWatch', () => {
  it('aborts with the error it was given when nothing happens', async () => {
    const error = new Error('idle');
    using watch = new IdleWatch(1, () => error);
    await new Promise((done) => watch.signal.addEventListener('abort', done, { once: true }));
    assert.equal(watch.signal.reason, error);
  });

  it('gives who slept meanwhile the time once more, and no more than once', async () => {
    const now = Date.now.bind(Date);
    let sleptMs = 0;
    let looks = 0;
    // Each timer is an hour late, by the clock.
    Date.now = () => {
      looks++;
      return now() + (sleptMs += 3_600_000);
    };
    try {
      using watch = new IdleWatch(1, () => new Error('idle'));
      await new Promise((done) => watch.signal.addEventListener('abort', done, { once: true }));
      assert.equal(looks, 4);
    } finally {
      Date.now = now;
    }
  });

  it('waits for ever where asked to', () => {
    using watch = new IdleWatch(Infinity, () => new Error('never'));
    watch.touch();
    assert.equal(watch.signal.aborted, false);
  });
});

describe('UploadTally', () => {
  it('sums by asset and peer', () => {
    const told: unknown[] = [];
    const tally = new UploadTally((...sum) => told.push(sum));
    tally.add('x', 'p', 1);
    tally.add('x', 'q', 10);
    tally.add('x', 'p', 2);
    tally.flush();
    tally.flush();
    assert.deepEqual(told, [
      ['x', 'p', 3],
      ['x', 'q', 10],
    ]);
  });
});

describe('the default data folder', () => {
  it('is $SHOAL_DATA where that is set', () => {
    assert.equal(defaultDataDir({ SHOAL_DATA: 'here' }), resolve('here'));
  });

  it('follows XDG on Linux', () => {
    assert.equal(defaultDataDir({ XDG_DATA_HOME: '/x' }, 'linux'), join('/x', 'shoal'));
  });

  it('is local application data on Windows', () => {
    assert.equal(defaultDataDir({ LOCALAPPDATA: 'L' }, 'win32'), join('L', 'shoal'));
  });
});

describe('the version', () => {
  it('is the same in the code and in package.json', async () => {
    const json = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
      version: string;
    };
    assert.equal(version, json.version);
  });
});
