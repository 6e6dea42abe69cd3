// What needs no bundling: the page, and the service worker beside it.
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

copyFileSync('index.html', 'dist/index.html');
copyFileSync(fileURLToPath(import.meta.resolve('shoal/shoal-sw.js')), 'dist/shoal-sw.js');
