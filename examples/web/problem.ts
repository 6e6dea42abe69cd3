import { ShoalError } from 'shoal/browser';
import { at, make } from './elements.ts';
import { keepFocus } from './focus.ts';
import { plainText } from './text.ts';

/** A heading for the errors that people meet, and what would help where the error does not say it itself. */
const WORDS: Readonly<Record<string, { title: string; help?: string }>> = {
  ERR_ACCESS: { title: 'The browser did not allow that' },
  ERR_ASSET_INVALID: { title: 'What this link names is broken', help: 'Tell whoever shared it.' },
  ERR_DISK_FULL: {
    title: 'The disk is full',
    help: 'Free some space and try again: it goes on from what is there.',
  },
  ERR_ENTRY_NOT_FOUND: { title: 'There is no such file in it' },
  ERR_FILE_CHANGED: {
    title: 'The file has changed',
    help: 'It is no longer what you shared. Share it again for a new link.',
  },
  ERR_INSECURE_CONTEXT: {
    title: 'This page came over an insecure connection',
    help: 'On a phone or another computer the page needs an https address; on this computer, http://localhost will do.',
  },
  ERR_INVALID_CID: {
    title: 'That is no link of Shoal',
    help: 'A link begins with shoal: and has no spaces.',
  },
  ERR_INVALID_LINK: {
    title: 'That is no link of Shoal',
    help: 'A link begins with shoal: and has no spaces.',
  },
  ERR_NAME_COLLISION: {
    title: 'Two of its files would be one',
    help: 'Names differ only in capitals or accents, which that disk does not tell apart.',
  },
  ERR_NOT_A_DIRECTORY: { title: 'Something else is in its place' },
  ERR_NOT_FOUND: { title: 'It is no longer there' },
  ERR_NOT_LOADED: { title: 'A part of this page did not come' },
  ERR_NO_BROWSER_ADDRESS: {
    title: 'A browser cannot reach anybody who has this',
    help: 'Ask for a new link, made by "shoal share" of this version without --no-web, or by a page like this one.',
  },
  ERR_NO_PROVIDERS: {
    title: 'Nobody who has this was found',
    help: 'Whoever shares it has to be running. The link may also be old: a node whose certificate or address has changed has new links.',
  },
  ERR_NO_SPACE: {
    title: 'There is not enough space',
    help: 'Remove something kept on this device, or free space on the disk. What was fetched so far is not lost.',
  },
  ERR_SERVICE_WORKER: { title: 'Nothing can be played while it arrives' },
  ERR_TARGET_EXISTS: {
    title: 'There is something else in that folder',
    help: 'Nothing was changed. Choose another folder.',
  },
  ERR_UNSAFE_NAME: { title: 'A name in it cannot be stored' },
  ERR_UNSUPPORTED_CID: { title: 'This link names something Shoal cannot read' },
  ERR_UNSUPPORTED_PLATFORM: { title: 'This browser cannot do that' },
};

/** Says what went wrong. Aborts are nobody's problem. @param again tries it once more */
export function showProblem(error: unknown, again?: () => void): void {
  const { code, message, tried } =
    error instanceof ShoalError
      ? error
      : { code: '', message: error instanceof Error ? error.message : String(error), tried: undefined };
  const words = WORDS[code] ?? { title: 'That did not work' };
  at('problem-title').textContent = words.title;
  at('problem-text').textContent = `${sentence(message)}${code === '' ? '' : ` (${code})`}`;
  at('problem-help').textContent = words.help ?? '';
  at('problem-help').hidden = words.help === undefined;
  at('problem-tried').hidden = !tried?.some((way) => way.tried > 0);
  at('problem-ways').replaceChildren(
    ...(tried ?? []).filter((way) => way.tried > 0).map(({ text }) => make('li', {}, plainText(text))),
  );
  at('problem-again').hidden = again === undefined;
  at('problem-again').onclick = () => {
    hideProblem();
    again?.();
  };
  at('problem').hidden = false;
  keepFocus();
  at('problem').scrollIntoView({ block: 'nearest' });
}

export function hideProblem(): void {
  at('problem').hidden = true;
  keepFocus();
}

function sentence(text: string): string {
  // Names of files stay as they are.
  const begins = /^[a-z]+[ ,']/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return plainText(begins);
}
