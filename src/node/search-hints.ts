/** What helps where nobody sends anything; pages have `search-hints.browser.ts` in its place. */
export const searchHints = {
  noPeersNamed: 'no peers were named (--peer, --bootstrap)',
  /** Of a way to find peers that is not used. */
  unused: 'switched off',
  deadLink: 'the link leads nowhere now: ask for a new one, or name a peer that has it (--peer)',
  findOthers:
    'name a peer that has it (--peer), a node to find others through (--bootstrap), or wait longer (--timeout)',
  waitLonger: 'wait longer (--timeout)',
};
