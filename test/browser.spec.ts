import assert from 'node:assert/strict';
import * as browser from '../src/browser.ts';
import * as node from '../src/index.ts';

describe('the browser entry', () => {
  it('says what pages cannot do', async () => {
    await assert.rejects(browser.inspect('x'), { code: 'ERR_UNSUPPORTED_PLATFORM' });
  });

  it('has the names that make a node, as the Node entry has them', () => {
    const onlyNode = ['defaultDataDir'];
    const onlyPages = ['serveMedia'];
    assert.deepEqual(
      [...Object.keys(browser), ...onlyNode].sort(),
      [...Object.keys(node), ...onlyPages].sort(),
    );
  });
});
