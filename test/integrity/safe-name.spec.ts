import assert from 'node:assert/strict';
import path from 'node:path';
import fc from 'fast-check';
import { caseCollisions, isPortableName, isSafeName } from '../../src/integrity/safe-name.ts';

describe('isSafeName', () => {
  for (const name of [
    'a',
    '.hidden',
    '...',
    'a.b',
    'a b',
    'é',
    '漢字',
    '😀',
    'CON',
    'a:b',
    'x'.repeat(255),
    '-rf',
    '~',
    '$HOME',
    '\ufeffbom',
  ]) {
    it(`takes ${JSON.stringify(name.slice(0, 20))}`, () => assert.ok(isSafeName(name)));
  }

  const unsafe = [
    '',
    '.',
    '..',
    '/',
    'a/b',
    '../x',
    '\\',
    '..\\x',
    'C:\\x',
    'a\0',
    '\n',
    '\x1b[2J',
    '\x7f',
    'x'.repeat(256),
    'é'.repeat(128),
    '\ud800',
  ];
  for (const name of unsafe) {
    it(`refuses ${JSON.stringify(name.slice(0, 20))}`, () => assert.ok(!isSafeName(name)));
  }

  it('takes only names that stay directly inside their folder on Linux and macOS', () => {
    const text = fc.string({
      unit: fc.constantFrom('.', '/', '\\', ':', 'a', ' ', '\0', 'C', '\u2024', '\u202e'),
      maxLength: 6,
    });
    fc.assert(
      fc.property(text, (name) => {
        if (isSafeName(name))
          assert.equal(path.posix.dirname(path.posix.resolve('/target', name)), '/target');
      }),
    );
  });
});

describe('isPortableName', () => {
  it('takes only names that stay directly inside their folder on Windows', () => {
    const text = fc.string({
      unit: fc.constantFrom('.', '/', '\\', ':', 'a', ' ', '\0', 'C', '?', '|'),
      maxLength: 6,
    });
    fc.assert(
      fc.property(text, (name) => {
        if (isPortableName(name))
          assert.equal(path.win32.dirname(path.win32.resolve('C:\\target', name)), 'C:\\target');
      }),
    );
  });

  for (const name of [
    'CON',
    'con.txt',
    'Nul',
    'COM1',
    'lpt9.log',
    'COM¹',
    'a.',
    'a ',
    'a:b',
    'a?',
    '*',
    '<',
    '>',
    '"',
    '|',
    '..',
    '',
  ]) {
    it(`refuses ${JSON.stringify(name)}`, () => assert.ok(!isPortableName(name)));
  }

  for (const name of ['console', 'com10', 'null', 'a.con', '.con', ' a', 'a.b.c', '漢字']) {
    it(`takes ${JSON.stringify(name)}`, () => assert.ok(isPortableName(name)));
  }
});

describe('caseCollisions', () => {
  it('finds paths that differ only in case or Unicode form', () => {
    const paths = [['a', 'B'], ['A', 'b'], ['a', 'c'], ['é'], ['e\u0301'], ['d'], ['a', 'b']];
    assert.deepEqual(caseCollisions(paths.map((path) => ({ path }))), [
      { path: 'A/b', collidesWith: 'a/B' },
      { path: 'e\u0301', collidesWith: 'é' },
      { path: 'a/b', collidesWith: 'a/B' },
    ]);
  });

  // What NTFS, APFS and HFS+ take for one letter, and `toLowerCase` does not.
  for (const [one, other] of [
    ['σ', 'ς'],
    ['s', 'ſ'],
    ['ß', 'ẞ'],
    ['ss', 'ß'],
    ['k', '\u212a'],
    ['ά', '\u1f71'],
    ['ΐ', '\u1fd3'],
    ['ﬁ', 'fi'],
  ] as const) {
    it(`takes ${one} and ${other} for the same letter, in any case`, () => {
      for (const [a, b] of [
        [one, other],
        [one, other.toUpperCase()],
        [one.toUpperCase(), other],
      ])
        assert.equal(
          caseCollisions([{ path: ['x', `${a}1`] }, { path: ['X', `${b}1`] }]).length,
          1,
          `${a} ${b}`,
        );
    });
  }

  it('finds none among the entries of different directories', () => {
    assert.deepEqual(caseCollisions([{ path: ['a', 'x'] }, { path: ['b', 'X'] }]), []);
  });
});
