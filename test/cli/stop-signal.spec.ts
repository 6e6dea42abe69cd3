import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IMPORT = `const { StopSignal } = await import(${JSON.stringify(import.meta.resolve('../../src/cli/stop-signal.ts'))});`;

/** Says whether SIGHUP stops a command. */
const CODE = `
  ${IMPORT}
  const stop = new StopSignal();
  process.on('SIGHUP', () => {
    process.stdout.write(String(stop.signal.aborted));
    process.exit();
  });
  setInterval(() => {}, 1000);
  process.kill(process.pid, 'SIGHUP');`;

const COMMAND = [process.execPath, '--input-type=module', '-e', CODE];

describe('the end of its terminal', () => {
  before(function () {
    if (process.platform === 'win32') this.skip();
  });

  it('stops a command', () => {
    const env = { ...process.env, _: '/usr/bin/shoal' };
    assert.equal(execFileSync('sh', ['-c', '"$@"', 'sh', ...COMMAND], { env, encoding: 'utf8' }), 'true');
  });

  it('does not stop one that nohup has started', () => {
    const env = { ...process.env, _: '/usr/bin/nohup' };
    assert.equal(execFileSync(process.execPath, COMMAND.slice(1), { env, encoding: 'utf8' }), 'false');
  });

  it('does not stop one that neither reads nor writes but files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-stop-'));
    const log = join(folder, 'log');
    try {
      execFileSync('sh', ['-c', '"$@" < /dev/null > "$0" 2>&1', log, ...COMMAND]);
      assert.equal(readFileSync(log, 'utf8'), 'false');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a command that was interrupted', () => {
  it('says that it goes on only where something is kept', function () {
    if (process.platform === 'win32') this.skip();
    const code = `
      ${IMPORT}
      for (const whatNext of [undefined, 'the rest is kept']) {
        using stop = new StopSignal(whatNext);
        process.emit('SIGINT');
        console.log(stop.signal.reason.message);
        process.removeAllListeners('SIGINT');
      }
      process.exit();`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    assert.equal(said, 'interrupted; run the command again to do it anew\ninterrupted; the rest is kept\n');
  });
});
