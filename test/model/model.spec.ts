import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { ACTION_NAMES } from './chaos.ts';
import { SABOTAGES } from './model-disk.ts';

const MODEL = resolve(import.meta.dirname, 'model.ts');

/** In a process of its own: it replaces the clock. */
function model(...args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [MODEL, ...args], { maxBuffer: 64 << 20 }, (_, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, text: stdout + stderr }),
    );
  });
}

describe('the model checker', () => {
  it('finds nothing wrong in a dozen worlds, in which every kind of action occurs', async () => {
    const { code, text } = await model('1-12');
    assert.equal(code, 0, text);
    assert.match(text, /^12 seeds, 0 failed$/m);
    for (const name of ACTION_NAMES) assert.match(text, new RegExp(`\\b${name}: [1-9]`));
  });

  for (const sabotage of SABOTAGES) {
    it(`tells of a node that does wrong: ${sabotage}`, async () => {
      const { code, text } = await model('4', '--sabotage', sabotage);
      assert.equal(code, 1, text);
      assert.match(
        text,
        sabotage === 'wrong-byte' ? /^seed 4: .*ERR_PEER_BAD_CHUNK/m : /^seed 4: .*does not finish/m,
      );
      assert.match(text, new RegExp(`its log: npm run model -- 4 --sabotage ${sabotage} --verbose`));
    });
  }

  it('plays the same for the same seed, whatever was played before', async () => {
    const [alone, after] = await Promise.all([model('6', '--verbose'), model('5-6', '--verbose')]);
    const [story] = alone.text.split('\n1 seeds');
    assert.ok(story && story.split('\n').length > 50, alone.text);
    assert.ok(after.text.includes(`${story}\n`));
  });
});
