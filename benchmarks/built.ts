import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/**
 * What is measured is the package as it was built last: where the sources have changed since, the figures would be those of
 * other code than the commit they are stored with.
 * @throws where it is not built, or older than the sources
 */
export function checkBuilt(root = ROOT): void {
  const built = statSync(join(root, 'dist', 'node', 'index.js'), { throwIfNoEntry: false });
  if (!built) throw new Error('shoal is not built here: run "npm run build" first');
  const newer = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).find(
    (file) => file.endsWith('.ts') && statSync(join(root, 'src', file)).mtimeMs > built.mtimeMs,
  );
  if (newer !== undefined)
    throw new Error(`src/${newer} is newer than what is built: run "npm run build" first`);
}
