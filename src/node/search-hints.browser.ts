import type { searchHints as ofNodes } from './search-hints.ts';

/** What helps in a page, whose user has no command line: a link, and time. */
export const searchHints: typeof ofNodes = {
  noPeersNamed: 'the page names no peers (`peers`)',
  unused: 'pages cannot use it',
  deadLink:
    'the link leads nowhere now: ask for a new one, while what it comes from (a node, or a page) stays open',
  findOthers: 'open a link that was made where it is now, or try again later',
  waitLonger: 'try again later',
};
