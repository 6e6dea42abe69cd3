import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { createShoal } from '../../src/index.ts';

const folder = resolve(import.meta.dirname, '../../examples');

/** Runs an example as a person would; it rejects where the example fails. */
async function run(name: string, args: readonly string[] = [], cwd?: string): Promise<string> {
  // One that hangs must not outlive its test.
  const options = { cwd, timeout: 120_000, killSignal: 'SIGKILL' } as const;
  const { stdout } = await promisify(execFile)(process.execPath, [resolve(folder, name), ...args], options);
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

  it('progress.ts writes nothing outside of the folder it runs in, whatever a link says', async () => {
    const scene = mkdtempSync(join(tmpdir(), 'shoal-examples-'));
    try {
      mkdirSync(join(scene, 'here'));
      const dataDir = join(scene, 'data');
      const listen = ['/ip4/127.0.0.1/tcp/0'];
      await using origin = await createShoal({ dataDir, listen, mdns: false, dht: false });
      const names = ['../evil', '..', '.profile', 'C:evil', '..\\evil'];
      for (const [index, name] of names.entries()) {
        const { link } = await origin.share(Buffer.from(`${index}`), { name });
        await run('progress.ts', [link], join(scene, 'here'));
      }
      const written = readdirSync(join(scene, 'here'));
      assert.equal(written.length, names.length);
      assert.deepEqual(
        written.filter((name) => !name.startsWith('baf')),
        ['evil'],
      );
      assert.ok(!existsSync(join(scene, 'evil')));
    } finally {
      rmSync(scene, { recursive: true, force: true });
    }
  });

  it('simulate.ts runs a crowd whose origin goes away', async () => {
    assert.match(
      await run('simulate.ts'),
      /cut after 1\.2 files\n10 of 10 finished\nthe last at \d\.\d\d times/,
    );
  });
});
