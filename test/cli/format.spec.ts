import assert from 'node:assert/strict';
import {
  cutToWidth,
  formatBytes,
  formatDuration,
  formatTable,
  printable,
  shortPeer,
} from '../../src/cli/format.ts';
import { safeName } from '../../src/daemon/safe-name.ts';

describe('text for people', () => {
  it('writes bytes with three digits at most', () => {
    const cases: [number, string][] = [
      [0, '0 B'],
      [999, '999 B'],
      [1000, '1.0 kB'],
      [99_960, '100 kB'],
      [999_600, '1.0 MB'],
      [134_217_728, '134 MB'],
      [1_500_000_000, '1.5 GB'],
    ];
    for (const [bytes, text] of cases) assert.equal(formatBytes(bytes), text);
  });

  it('writes times as a person would', () => {
    assert.equal(formatDuration(430), '0.4 s');
    assert.equal(formatDuration(12_000), '12 s');
    assert.equal(formatDuration(59_600), '1:00');
    assert.equal(formatDuration(185_000), '3:05');
    assert.equal(formatDuration(3_723_000), '1:02:03');
  });

  it('takes control characters out of text that others wrote', () => {
    assert.equal(printable('a\u001b[2Jb\nc\u202egpj.exe'), 'a\ufffd[2Jb\ufffdc\ufffdgpj.exe');
  });

  it('cuts text so that it surely fits, wide characters too, and none in half', () => {
    assert.equal(cutToWidth('plain text', 5), 'plain');
    assert.equal(cutToWidth('plain', 5), 'plain');
    assert.equal(cutToWidth('写真 2024', 5), '写真 ');
    assert.equal(cutToWidth('a🐟🐟', 4), 'a🐟');
    assert.equal(cutToWidth('x', 0), '');
  });

  it('shortens a peer id to the end that differs', () => {
    assert.equal(shortPeer('12D3KooWAbCdEfGhIjKl'), '…GhIjKl');
  });

  it('makes a table of as many rows as a data folder can have assets', () => {
    const rows = Array.from({ length: 150_000 }, (_, row) => [`asset ${row}`]);
    assert.equal(formatTable(['CID'], rows, new Set()).split('\n').length, 150_001);
  });

  it('aligns a table', () => {
    assert.equal(
      formatTable(
        ['NAME', 'SIZE'],
        [
          ['a', '1 B'],
          ['long name', '100 MB'],
        ],
        new Set([1]),
      ),
      'NAME         SIZE\na             1 B\nlong name  100 MB',
    );
  });
});

describe('the file name from a link', () => {
  it('is the last part of what the link says, without tricks', () => {
    assert.equal(safeName('video.mp4', 'cid'), 'video.mp4');
    assert.equal(safeName('../../etc/passwd', 'cid'), 'passwd');
    assert.equal(safeName('C:\\Users\\me\\x.txt', 'cid'), 'x.txt');
    assert.equal(safeName('.bashrc', 'cid'), 'bashrc');
    assert.equal(safeName('a\u0000\u001b\u202eb', 'cid'), 'ab');
  });

  it('is the CID where nothing usable is left', () => {
    for (const name of [undefined, '', '.', '..', '/', 'a/', '\u0007', 'x'.repeat(256)])
      assert.equal(safeName(name, 'cid'), 'cid');
  });

  it('keeps off names that Windows keeps for itself', () => {
    assert.equal(safeName('con.txt', 'cid', 'win32'), '_con.txt');
    assert.equal(safeName('a:b?.txt ', 'cid', 'win32'), 'a_b_.txt');
  });
});
