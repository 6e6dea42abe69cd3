import { join } from 'node:path';
import { openStore } from '../../src/store/open-store.ts';
import { storeContract } from '../contracts/store-contract.ts';
import { tempFolder } from './temp-folder.ts';

storeContract('the data folder', async () => {
  const folder = await tempFolder();
  let targets = 0;
  const test = {
    store: await openStore(join(folder.path, 'data')),
    newTarget: () => join(folder.path, `target-${++targets}`),
    reopen: async () => {
      await test.store.close();
      test.store = await openStore(join(folder.path, 'data'));
      return test.store;
    },
    [Symbol.asyncDispose]: async () => {
      await test.store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
  return test;
});
