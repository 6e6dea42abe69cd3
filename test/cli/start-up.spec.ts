import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { logger } from '../../src/cli/common-options.ts';
import { nodeVersionProblem } from '../../src/cli/node-version.ts';
import { version } from '../../src/version.ts';

const MAIN = resolve(import.meta.dirname, '../../src/cli/main.ts');

/** Runs the CLI with a hook that lists every module it loads. */
function modulesLoadedFor(...args: string[]): string {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });`;
  const options = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, MAIN, ...args];
  const script = `"$@" 2>&1 >/dev/null`;
  return execFileSync('sh', ['-c', script, 'sh', process.execPath, ...options], { encoding: 'utf8' });
}

describe('starting up', () => {
  it('refuses a Node that is too old, and says which is needed', () => {
    assert.match(
      nodeVersionProblem('20.19.0') ?? '',
      /^shoal: Node 20\.19\.0 is too old; install Node 22\.12 or newer/,
    );
    assert.match(nodeVersionProblem('22.11.0') ?? '', /too old/);
    for (const good of ['22.12.0', '24.0.0', '30.1.2']) assert.equal(nodeVersionProblem(good), undefined);
  });

  it('loads no SDK for --version and --help', () => {
    for (const args of [['--version'], ['--help'], ['get', '--help']]) {
      const modules = modulesLoadedFor(...args);
      assert.match(modules, /src\/cli\/program\.ts/);
      assert.doesNotMatch(modules, /src\/index\.ts|libp2p|src\/daemon\/control/);
    }
  });

  it('prints the version of the package', () => {
    assert.equal(execFileSync(process.execPath, [MAIN, '--version'], { encoding: 'utf8' }), `${version}\n`);
  });

  it('shows examples in the help of every verb', () => {
    for (const verb of ['share', 'get', 'seed', 'ls', 'rm', 'verify', 'inspect', 'id', 'completion']) {
      const help = execFileSync(process.execPath, [MAIN, verb, '--help'], { encoding: 'utf8' });
      assert.match(help, new RegExp(`Examples:\\n  \\$ .*shoal ${verb}`), verb);
      if (verb !== 'completion') assert.match(help, /--data <dir>/);
    }
  });

  it('logs what is as grave as --log-level says, and warnings without it', () => {
    for (const [level, expected] of [
      ['error', ['error x']],
      ['info', ['error x', 'warn x', 'info x']],
      [undefined, ['error x', 'warn x']],
    ] as const) {
      const lines: string[] = [];
      const log = logger(level, (at, message) => lines.push(`${at} ${message}`));
      for (const at of ['error', 'warn', 'info', 'debug'] as const) log(at, 'x');
      assert.deepEqual(lines, expected);
    }
  });

  it('says in the help of what serves that Ctrl-C is its normal end', () => {
    for (const verb of ['share', 'seed']) {
      const help = execFileSync(process.execPath, [MAIN, verb, '--help'], { encoding: 'utf8' });
      assert.match(help.replaceAll(/\s+/g, ' '), /Ctrl-C is (its|the) normal end.* with 0.* 130/);
    }
  });
});
