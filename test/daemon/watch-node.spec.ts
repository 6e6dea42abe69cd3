import assert from 'node:assert/strict';
import { createReporter } from '../../src/cli/reporter.ts';
import type { JobEvent } from '../../src/daemon/job.ts';
import { MOST_RECENT } from '../../src/daemon/keep-recent.ts';
import { watchNode } from '../../src/daemon/watch-node.ts';
import type { Shoal } from '../../src/index.ts';

describe('what happens at a node that serves', () => {
  it('is summed up for the last peers, and of all of them in what a person is shown, however many come', () => {
    const target = new EventTarget();
    const shoal = Object.assign(target, { addresses: [] }) as unknown as Shoal;
    let shown = '';
    const stream = {
      write: (text: string) => void (shown = text),
      isTTY: true,
      columns: 80,
      writableLength: 0,
    };
    let nowMs = 0;
    const reporter = createReporter({
      asJson: false,
      contentToStdout: false,
      stdout: stream,
      stderr: stream,
      now: () => (nowMs += 1000),
    });
    const told: number[] = [];
    using _watch = watchNode(shoal, (event: JobEvent) => {
      reporter.event(event);
      if (event.event === 'upload') told.push(event.bytes);
    });
    const upload = (peer: string): unknown =>
      target.dispatchEvent(new CustomEvent('asset:upload', { detail: { cid: 'b', peer, bytes: 1000 } }));
    upload('first');
    upload('first');
    assert.equal(told.at(-1), 2000);
    for (let n = 0; n < MOST_RECENT; n++) upload(`peer ${n}`);
    // It was forgotten; the others were not.
    upload('first');
    assert.equal(told.at(-1), 1000);
    upload(`peer ${MOST_RECENT - 1}`);
    assert.equal(told.at(-1), 2000);
    assert.match(shown, /Sent 10\.0 MB to 10002 peers/);
  });
});
