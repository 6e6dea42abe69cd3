import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const SRC = join(import.meta.dirname, '..', 'src');

/** The names that an entry exports one by one, and the files that they come from. */
function exportsOf(entry: string): { names: Set<string>; files: string[] } {
  const text = readFileSync(join(SRC, entry), 'utf8');
  const listed = [...text.matchAll(/export (?:type )?\{([^}]*)\} from '(\.[^']+)'/g)];
  const names = listed.flatMap(([, list = '']) =>
    list.split(',').map((name) => name.replace(/^\s*type /, '').trim()),
  );
  return { names: new Set(names), files: listed.map(([, , file = '']) => join(dirname(entry), file)) };
}

describe('each entry', () => {
  for (const entry of ['index.ts', 'browser.ts', 'simulator/index.ts']) {
    it(`${entry} exports every type of what it exports`, () => {
      const { names, files } = exportsOf(entry);
      const types = files.flatMap((file) =>
        [...readFileSync(join(SRC, file), 'utf8').matchAll(/^export (?:interface|type) (\w+)/gm)].map(
          ([, name = '']) => name,
        ),
      );
      assert.deepEqual(
        types.filter((name) => !names.has(name)),
        [],
      );
    });
  }
});
