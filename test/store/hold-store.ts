import { openStore } from '../../src/store/open-store.ts';

// A process that owns a data folder until its standard input ends.
const store = await openStore(process.argv[2] as string);
process.stdout.write('open\n');
process.stdin.resume();
process.stdin.on('end', () => void store.close());
