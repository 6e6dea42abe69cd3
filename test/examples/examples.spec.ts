import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

const folder = resolve(import.meta.dirname, '../../examples');

/** Runs an example as a person would; it rejects where the example fails. */
async function run(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [resolve(folder, name)]);
  return stdout;
}

describe('the examples', () => {
  it('embed.ts shares, opens, streams and saves', async () => {
    const output = await run('embed.ts');
    assert.match(
      output,
      /opened a file of 800000 bytes\nOne fish swims alone; a shoal swims on\.\n[^]*saved 800000 bytes from 1 peer/,
    );
  });

  it('seed-node.ts keeps an asset alive when its origin is gone', async () => {
    assert.match(await run('seed-node.ts'), /a reader got: worth keeping/);
  });

  it('custom-source.ts shares what was never a file', async () => {
    assert.match(
      await run('custom-source.ts'),
      /shared \d+ bytes as bafy\w+; progress came [1-9]\d* time[^]*second,celsius\n0,20\.000\n/,
    );
  });

  it('progress.ts tells how a download goes', async () => {
    assert.match(await run('progress.ts'), /100 % [^]*saved 8000000 bytes/);
  });

  it('simulate.ts runs a crowd whose origin goes away', async () => {
    assert.match(
      await run('simulate.ts'),
      /cut after 1\.2 files\n10 of 10 finished\nthe last at \d\.\d\d times/,
    );
  });
});
