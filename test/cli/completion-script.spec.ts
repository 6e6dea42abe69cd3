import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { completionScript } from '../../src/cli/completion-script.ts';
import { createProgram } from '../../src/cli/program.ts';

const VERBS = ['share', 'get', 'seed', 'ls', 'rm', 'limit', 'verify', 'inspect', 'id', 'completion'];

/** What bash offers for a line, its last word being completed. */
function bashOffers(line: string): string[] {
  const words = line.split(' ');
  const script = `${completionScript(
    createProgram(() => undefined),
    'bash',
  )}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _shoal; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '');
}

describe('shell completion', () => {
  it('is valid bash', () => {
    execFileSync('bash', ['-n'], {
      input: completionScript(
        createProgram(() => undefined),
        'bash',
      ),
    });
  });

  it('is valid zsh and fish, where those are installed', function () {
    const checks = (['zsh', 'fish'] as const).filter((shell) => spawnSync(shell, ['--version']).status === 0);
    if (checks.length === 0) this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'shoal-completion-'));
    for (const shell of checks) {
      const file = join(folder, shell);
      writeFileSync(
        file,
        completionScript(
          createProgram(() => undefined),
          shell,
        ),
      );
      execFileSync(shell, ['-n', file]);
    }
    rmSync(folder, { recursive: true });
  });

  it('offers every verb in every shell', () => {
    for (const shell of ['bash', 'zsh', 'fish'] as const) {
      const script = completionScript(
        createProgram(() => undefined),
        shell,
      );
      for (const verb of VERBS) assert.match(script, new RegExp(`\\b${verb}\\b`), `${verb} in ${shell}`);
    }
  });

  it('offers verbs, the options of a verb with the common ones, and fixed values', () => {
    assert.deepEqual(bashOffers('shoal s'), ['share', 'seed']);
    assert.deepEqual(bashOffers('shoal get --li'), ['--linger', '--listen']);
    assert.deepEqual(bashOffers('shoal ls --li'), ['--listen']);
    assert.deepEqual(bashOffers('shoal get --log-level d'), ['debug']);
    assert.deepEqual(bashOffers('shoal get --log-level = d'), ['debug']);
    assert.deepEqual(bashOffers('shoal get --log-level ='), ['error', 'warn', 'info', 'debug']);
    assert.deepEqual(bashOffers('shoal completion '), ['bash', 'zsh', 'fish']);
  });

  it('offers no verbs where an option takes a path, or other text', () => {
    for (const line of ['--data ', '--data = s', '--trace ', '--network s']) {
      assert.deepEqual(bashOffers(`shoal ${line}`), [], line);
    }
    assert.deepEqual(bashOffers('shoal completion --data '), []);
  });
});
