import type { SharedAgain } from 'shoal/browser';
import { at, make } from './elements.ts';
import type { Here } from './node.ts';
import { hideProblem, showProblem } from './problem.ts';
import type { Chosen } from './share-view.ts';
import { plainText, sizeText } from './text.ts';

/** What the list of earlier shares has done. */
interface SharedBeforeActions {
  /** Shows what is shared. */
  show(cid: string): void;
  /** Shares what a file has become. */
  share(chosen: Chosen): void;
}

const WORDS: Readonly<Record<SharedAgain['state'], string>> = {
  shared: 'shared',
  permission: 'waits for you',
  changed: 'has changed since',
  gone: 'is no longer there',
};

/** Lists what earlier visits shared from files whose place the browser remembers; what needs no click is shared at once. */
export async function showSharedBefore(
  { shoal }: Pick<Here, 'shoal'>,
  actions: SharedBeforeActions,
): Promise<void> {
  const rows = (await shoal.shareAgain()).map((found) => {
    const { cid, name = found.cid, bytes, state, source } = found;
    const title = plainText(name);
    const forget = make('button', { type: 'button', className: 'quiet' }, 'Forget');
    forget.setAttribute('aria-label', `Forget ${title}`);
    forget.onclick = async () => {
      await shoal.remove(cid).catch(showProblem);
      await showSharedBefore({ shoal }, actions);
    };
    const row = make(
      'li',
      {},
      make('span', { className: 'name' }, title),
      make('span', { className: 'size' }, `${sizeText(bytes)}, ${WORDS[state]}`),
    );
    if (state !== 'gone') {
      const text =
        state === 'shared' ? 'Show link' : state === 'changed' ? 'Share as it is now' : 'Share again';
      const go = make('button', { type: 'button', className: 'quiet' }, text);
      go.setAttribute('aria-label', `${text}: ${title}`);
      go.onclick = async () => {
        hideProblem();
        if (state === 'changed') {
          await shoal.remove(cid).catch(showProblem);
          actions.share({ name, files: [...source], bytes: undefined });
          return;
        }
        const [again] = await shoal.shareAgain({ cid, ask: true });
        if (again?.state === 'shared') actions.show(cid);
        else await showSharedBefore({ shoal }, actions);
      };
      row.append(go);
    }
    row.append(forget);
    return row;
  });
  at('before-list').replaceChildren(...rows);
  at('before').hidden = rows.length === 0;
}
