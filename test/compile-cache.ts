/** Loaded by mocha before all tests (.mocharc.json): processes that tests start take over what earlier ones compiled. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'shoal-compiled-'));
process.env['NODE_COMPILE_CACHE'] = folder;
process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
