// The service worker lies beside the page: Vite copies what is in `public`.
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

mkdirSync('public', { recursive: true });
copyFileSync(fileURLToPath(import.meta.resolve('shoal/shoal-sw.js')), 'public/shoal-sw.js');
