import type { PageShoal, SharedAgain } from 'shoal/browser';
import { at, make } from './elements.ts';
import { keepFocus } from './focus.ts';
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

/** Some may have to be read, and the others are soon shared beside them. */
const LOOKED_AT_A_TIME = 4;

const WORDS: Readonly<Record<SharedAgain['state'], string>> = {
  shared: 'shared',
  permission: 'waits for you',
  changed: 'has changed since',
  gone: 'is no longer there',
};

/**
 * Lists what earlier visits shared from files whose place the browser remembers; what needs no click is shared at once. Files
 * that were written since are read, which may take long: each says so, and no other waits to be seen.
 */
export async function showSharedBefore(
  { shoal }: Pick<Here, 'shoal'>,
  actions: SharedBeforeActions,
): Promise<void> {
  const waiting: { cid: string; row: HTMLLIElement }[] = [];
  for await (const { cid, name = cid, bytes = 0, state } of shoal.list())
    if (state === 'shared') waiting.push({ cid, row: rowOf(name, `${sizeText(bytes)}, being looked at…`) });
  at('before-list').replaceChildren(...waiting.map(({ row }) => row));
  const hideIfEmpty = (): void => {
    at('before').hidden = at('before-list').childElementCount === 0;
  };
  hideIfEmpty();
  const lookSome = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const { cid, row } = next;
      const [found] = await shoal.shareAgain({ cid });
      if (found) row.replaceWith(foundRow(shoal, found, actions));
      // Its files are those of a field, which no later visit has: it is shared as long as it is shown.
      else row.remove();
      hideIfEmpty();
    }
  };
  await Promise.all(Array.from({ length: LOOKED_AT_A_TIME }, lookSome));
}

function rowOf(name: string, state: string): HTMLLIElement {
  return make(
    'li',
    {},
    make('span', { className: 'name' }, plainText(name)),
    make('span', { className: 'size' }, state),
  );
}

function foundRow(shoal: PageShoal, found: SharedAgain, actions: SharedBeforeActions): HTMLLIElement {
  const { cid, name = cid, bytes, state, source } = found;
  const title = plainText(name);
  const row = rowOf(name, `${sizeText(bytes)}, ${WORDS[state]}`);
  const forget = make('button', { type: 'button', className: 'quiet' }, 'Forget');
  forget.setAttribute('aria-label', `Forget ${title}`);
  forget.onclick = async () => {
    await shoal.remove(cid).catch(showProblem);
    await showSharedBefore({ shoal }, actions);
    keepFocus();
  };
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
}
