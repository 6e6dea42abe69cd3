import assert from 'node:assert/strict';
import { createReporter, type Reporter } from '../../src/cli/reporter.ts';
import type { JobEvent, ProgressEvent } from '../../src/daemon/job.ts';

class Recorder {
  text = '';
  readonly isTTY: boolean;
  readonly columns = 80;
  writableLength = 0;

  constructor(isTTY: boolean) {
    this.isTTY = isTTY;
  }

  write(text: string): void {
    this.text += text;
  }
}

function setUp(options: { asJson?: boolean; isTTY?: boolean; contentToStdout?: boolean }): {
  reporter: Reporter;
  stdout: Recorder;
  stderr: Recorder;
  clock: { ms: number };
} {
  const { asJson = false, isTTY = false, contentToStdout = false } = options;
  const [stdout, stderr] = [new Recorder(isTTY), new Recorder(isTTY)];
  const clock = { ms: 0 };
  const reporter = createReporter({ asJson, contentToStdout, stdout, stderr, now: () => clock.ms });
  return { reporter, stdout, stderr, clock };
}

const progress: ProgressEvent = {
  event: 'progress',
  bytes: 50,
  total: 100,
  peers: 2,
  bytesPerSec: 10,
  phase: 'fetching',
  sources: [{ peer: '12D3KooWxxxxAAAAAA', bytes: 50 }],
};

const done: JobEvent = {
  event: 'done',
  cid: 'bafy',
  bytes: 100,
  path: '/x/y',
  durationMs: 2000,
  sources: [{ peer: '12D3KooWxxxxAAAAAA', bytes: 100 }],
};

describe('events as JSON', () => {
  it('drop what is only of the moment while their reader does not read, and nothing else', () => {
    const { reporter, stdout } = setUp({ asJson: true });
    const upload: JobEvent = { event: 'upload', cid: 'c', peer: 'p', bytes: 1 };
    reporter.event(upload);
    stdout.writableLength = 1_000_000;
    for (let bytes = 2; bytes < 10; bytes++) reporter.event({ ...upload, bytes });
    reporter.event(progress);
    reporter.event(done);
    stdout.writableLength = 0;
    reporter.event({ ...upload, bytes: 10 });
    const lines = [upload, done, { ...upload, bytes: 10 }].map((event) => `${JSON.stringify(event)}\n`);
    assert.equal(stdout.text, lines.join(''));
  });

  it('are one object a line, with the fields that are promised', () => {
    const { reporter, stdout, stderr } = setUp({ asJson: true });
    reporter.event({ event: 'listening', peer: 'p', addresses: ['/ip4/1.2.3.4/tcp/1/p2p/p'] });
    reporter.event({ event: 'sharing', cid: 'c', link: 'shoal:c', bytes: 1, path: '/f', addresses: [] });
    reporter.event(progress);
    reporter.event(done);
    const lines = stdout.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map((line) => Object.keys(line)),
      [
        ['event', 'peer', 'addresses'],
        ['event', 'cid', 'link', 'bytes', 'path', 'addresses'],
        ['event', 'bytes', 'total', 'peers', 'bytesPerSec', 'phase', 'sources'],
        ['event', 'cid', 'bytes', 'path', 'durationMs', 'sources'],
      ],
    );
    assert.equal(stderr.text, '');
  });

  it('go to standard error where content goes to standard output', () => {
    const { reporter, stdout, stderr } = setUp({ asJson: true, contentToStdout: true });
    reporter.event(done);
    reporter.note('for people');
    assert.equal(stdout.text, '');
    assert.deepEqual(JSON.parse(stderr.text), done);
  });

  it('tell progress now and then, and the end in any case', () => {
    const { reporter, stdout, clock } = setUp({ asJson: true });
    for (let ms = 0; ms <= 1000; ms += 100) {
      clock.ms = ms;
      reporter.event(progress);
    }
    reporter.event({ ...progress, bytes: 100, phase: 'done' });
    assert.equal(stdout.text.trimEnd().split('\n').length, 4);
  });
});

describe('what is logged', () => {
  it('does not write to the terminal by what others wrote, with --json neither', () => {
    for (const asJson of [false, true]) {
      const { reporter, stderr } = setUp({ asJson });
      reporter.log('warn', 'cannot reach /dns4/\u001b[2J/tcp/1');
      assert.equal(stderr.text, 'shoal: warning: cannot reach /dns4/\ufffd[2J/tcp/1\n');
    }
  });

  it('is one line on standard error, as a warning where it asks for attention', () => {
    for (const asJson of [false, true]) {
      const { reporter, stdout, stderr } = setUp({ asJson });
      reporter.log('warn', 'cannot reach\n/ip4/192.0.2.1');
      reporter.log('error', 'the disk is full');
      reporter.log('info', 'x');
      assert.equal(stdout.text, '');
      assert.match(
        stderr.text,
        /^shoal: warning: cannot reach\S?.?\/ip4\/192\.0\.2\.1\nshoal: warning: the disk is full\ninfo: x\n$/,
      );
    }
  });

  it('is an object between the first event and done where events go to standard error', () => {
    const { reporter, stderr } = setUp({ asJson: true, contentToStdout: true });
    reporter.log('warn', 'early');
    assert.equal(stderr.text, '');
    reporter.event({ event: 'listening', peer: 'p', addresses: [] });
    reporter.log('info', 'x');
    reporter.event(done);
    reporter.log('warn', 'late');
    assert.deepEqual(
      stderr.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
      [
        { event: 'listening', peer: 'p', addresses: [] },
        { event: 'warning', message: 'early' },
        { event: 'log', level: 'info', message: 'x' },
        done,
      ],
    );
  });
});

describe('events for a person', () => {
  it('redraw one line on a terminal at most ten times a second, and take it away before the summary', () => {
    const { reporter, stdout, clock } = setUp({ isTTY: true });
    for (let ms = 0; ms < 1000; ms += 10) {
      clock.ms = ms;
      reporter.event(progress);
    }
    assert.equal(stdout.text.split('\r').length - 1, 10);
    assert.ok(!stdout.text.includes('\n'));
    reporter.event(done);
    assert.ok(
      stdout.text.endsWith(
        '\r\u001b[KSaved /x/y (100 B in 2.0 s, 50 B/s)\n  100 %     100 B  from …AAAAAA\n',
      ),
      stdout.text,
    );
  });

  it('leave out what a terminal that is stopped does not take', () => {
    const { reporter, stdout, clock } = setUp({ isTTY: true });
    stdout.writableLength = 1;
    reporter.event(progress);
    assert.equal(stdout.text, '');
    stdout.writableLength = 0;
    clock.ms = 1000;
    reporter.event(progress);
    assert.match(stdout.text, /50 %/);
  });

  it('are plain lines, one a second, in a pipe', () => {
    const { reporter, stdout, clock } = setUp({});
    for (let ms = 0; ms < 2000; ms += 100) {
      clock.ms = ms;
      reporter.event(progress);
    }
    assert.equal(stdout.text, '50 % (50 B of 100 B), 10 B/s, 2 peers, …AAAAAA 100 %\n'.repeat(2));
  });

  it('say that what is here is being checked', () => {
    const { reporter, stdout } = setUp({});
    reporter.event({ ...progress, phase: 'checking' });
    assert.equal(stdout.text, 'Checking what is here, 50 % (50 B of 100 B)\n');
  });

  it('show assets as a table, and do not let a name write to the terminal', () => {
    const { reporter, stdout } = setUp({});
    const asset = {
      event: 'asset',
      cid: 'bafy',
      name: 'a\u001b[2Jb',
      type: 'file',
      bytes: 1000,
      bytesHere: 500,
      state: 'partial',
      path: undefined,
    } as const;
    reporter.event(asset);
    reporter.close();
    assert.equal(
      stdout.text,
      'CID   STATE         TYPE    SIZE  PATH OR NAME\nbafy  partial 50 %  file  1.0 kB  a\ufffd[2Jb\n',
    );
  });

  it('keep the path that is hashed on one line of the terminal, in whatever script', () => {
    const { reporter, stdout } = setUp({ isTTY: true });
    reporter.event({ event: 'hashing', path: `/home/x/${'写真'.repeat(50)}`, bytes: 1, total: 2 });
    // 16 columns and 31 characters of two, of 79 columns.
    assert.equal(stdout.text, `\rHashing /home/x/${'写真'.repeat(15)}写\u001b[K`);
  });

  it('do not let a file write to the terminal by its name when it is inspected', () => {
    const { reporter, stdout } = setUp({});
    const ipfsAdd = "ipfs add 'a\u001b[2Jb'";
    reporter.event({ event: 'inspected', cid: 'bafy', type: 'file', path: '/x', ipfsAdd });
    assert.equal(stdout.text, "CID       bafy\nType      file\nSame CID  ipfs add 'a\ufffd[2Jb'\n");
  });

  it('do not let an address write to the terminal, which a relay may have made up', () => {
    const { reporter, stdout } = setUp({});
    const addresses = ['/dns4/a\u001b[2Jb/tcp/1/p2p/r/p2p-circuit/p2p/p'];
    reporter.event({ event: 'seeding', assets: 1, addresses });
    reporter.event({ event: 'id', peer: 'p', addresses, dataDir: '/x', network: 'main' });
    reporter.event({ event: 'addresses', addresses });
    assert.equal(stdout.text.split('\n').filter((line) => line.includes('/dns4/a\ufffd[2Jb/')).length, 3);
    assert.ok(!stdout.text.includes('\u001b'));
  });

  it('name addresses that the node had not before, once', () => {
    const { reporter, stdout } = setUp({});
    const own = '/ip4/192.168.0.2/tcp/1/p2p/p';
    const relayed = '/ip4/192.0.2.1/tcp/1/p2p/r/p2p-circuit/p2p/p';
    const outside = '/ip4/192.0.2.2/tcp/1/p2p/p';
    reporter.event({ event: 'listening', peer: 'p', addresses: [own] });
    reporter.event({ event: 'addresses', addresses: [own, relayed] });
    reporter.event({ event: 'addresses', addresses: [own, outside] });
    reporter.event({ event: 'addresses', addresses: [own, relayed] });
    const more = 'add &a=ADDRESS to a link, or share again.';
    assert.equal(
      stdout.text,
      `Also found through a relay: ${more}\n  ${relayed}\nAlso reached from outside: ${more}\n  ${outside}\n`,
    );
  });

  it('add up what was sent, in no more time for thousands of assets than for one', function () {
    // Adding all up anew for each event took minutes.
    this.timeout(10_000);
    const { reporter, stdout, clock } = setUp({ isTTY: true });
    for (let asset = 0; asset < 8_000; asset++) {
      for (const bytes of [300, 1000]) {
        const peer = asset % 2 === 0 ? 'even' : 'odd';
        reporter.event({ event: 'upload', cid: `bafy${asset}`, peer, bytes });
      }
    }
    clock.ms = 1000;
    reporter.event({ event: 'upload', cid: 'bafy0', peer: 'even', bytes: 1500 });
    assert.equal(stdout.text.split('\r').at(-1), 'Sent 8.0 MB to 2 peers\u001b[K');
  });

  it('name a peer that misbehaved on standard error', () => {
    const { reporter, stdout, stderr } = setUp({});
    reporter.event({ event: 'warning', code: 'ERR_CHUNK_HASH_MISMATCH', message: 'p sent a wrong chunk' });
    assert.equal(stdout.text, '');
    assert.equal(stderr.text, 'shoal: warning: p sent a wrong chunk (ERR_CHUNK_HASH_MISMATCH)\n');
  });
});
