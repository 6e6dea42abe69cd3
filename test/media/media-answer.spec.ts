import assert from 'node:assert/strict';
import { ShoalError } from '../../src/errors.ts';
import { contentTypeOf } from '../../src/media/content-type.ts';
import { answerFor, answerForError } from '../../src/media/media-answer.ts';
import type { RequestMessage } from '../../src/media/media-protocol.ts';

const FILE = { cid: 'bafkreiabc', name: 'film.mp4', size: 1000 };

function request(fields: Partial<RequestMessage> = {}): RequestMessage {
  return {
    shoalMedia: 'request',
    to: '',
    method: 'GET',
    path: '',
    range: null,
    ifRange: null,
    ifNoneMatch: null,
    isNavigation: false,
    ...fields,
  };
}

/** Status, range and what follows, as short text: `206 bytes 0-9/1000 0+10`. */
function answered(fields: Partial<RequestMessage>, size = FILE.size): string {
  const { head, body } = answerFor(request(fields), { ...FILE, size });
  const parts = [String(head.status), head.headers['Content-Range'], body && `${body.offset}+${body.length}`];
  return parts.filter((part) => part !== undefined).join(' ');
}

describe('answers for media', () => {
  for (const [range, expected] of [
    ['bytes=0-9', '206 bytes 0-9/1000 0+10'],
    ['bytes=0-', '206 bytes 0-999/1000 0+1000'],
    ['bytes=990-5000', '206 bytes 990-999/1000 990+10'],
    ['bytes=-10', '206 bytes 990-999/1000 990+10'],
    ['bytes=-5000', '206 bytes 0-999/1000 0+1000'],
    ['Bytes = 5 - 6', '206 bytes 5-6/1000 5+2'],
    ['bytes=1000-', '416 bytes */1000'],
    ['bytes=99999999999999999999-', '416 bytes */1000'],
    ['bytes=-0', '416 bytes */1000'],
    ['bytes=9-0', '200 0+1000'],
    ['bytes=-', '200 0+1000'],
    ['bytes=a-b', '200 0+1000'],
    ['bytes=0-1,5-6', '200 0+1000'],
    ['lines=0-1', '200 0+1000'],
  ] as const) {
    it(`answers ${range} with ${expected}`, () => assert.equal(answered({ range }), expected));
  }

  it('answers for an empty file', () => {
    assert.equal(answered({}, 0), '200');
    assert.equal(answered({ range: 'bytes=0-' }, 0), '416 bytes */0');
    assert.equal(answerFor(request(), { ...FILE, size: 0 }).head.headers['Content-Length'], '0');
  });

  it('sends no body for HEAD, and the same headers', () => {
    const range = 'bytes=5-6';
    assert.equal(answered({ method: 'HEAD', range }), '206 bytes 5-6/1000');
    assert.deepEqual(
      answerFor(request({ method: 'HEAD', range }), FILE).head,
      answerFor(request({ range }), FILE).head,
    );
  });

  it('gives a part only of the file that is asked for, and nothing of one that is there already', () => {
    const tag = `"${FILE.cid}"`;
    assert.equal(answered({ range: 'bytes=0-9', ifRange: tag }), '206 bytes 0-9/1000 0+10');
    assert.equal(answered({ range: 'bytes=0-9', ifRange: '"other"' }), '200 0+1000');
    assert.equal(answered({ range: 'bytes=0-9', ifRange: 'Thu, 26 Nov 2026 00:00:00 GMT' }), '200 0+1000');
    assert.equal(answered({ ifNoneMatch: `"a", W/${tag}` }), '304');
    assert.equal(answered({ ifNoneMatch: '*' }), '304');
    assert.equal(answered({ ifNoneMatch: '"other"' }), '200 0+1000');
  });

  it('tells types by the ending of a name, and guesses none', () => {
    for (const [name, type] of [
      ['a.mp4', 'video/mp4'],
      ['A.WEBM', 'video/webm'],
      ['x.tar.png', 'image/png'],
      ['none', 'application/octet-stream'],
      ['.mp4/none', 'application/octet-stream'],
      ['a.constructor', 'application/octet-stream'],
      ['', 'application/octet-stream'],
    ] as const)
      assert.equal(contentTypeOf(name), type);
  });

  it('shows what cannot run, saves what can, and confines both', () => {
    for (const [name, how] of [
      ['a.mp4', 'inline'],
      ['a.png', 'inline'],
      ['a.txt', 'inline'],
      ['a.svg', 'attachment'],
      ['a.html', 'attachment'],
      ['a.xhtml', 'attachment'],
      ['a.xml', 'attachment'],
      ['a.js', 'attachment'],
      ['a.pdf', 'attachment'],
      ['a', 'attachment'],
    ] as const) {
      const { headers } = answerFor(request(), { ...FILE, name }).head;
      assert.ok(headers['Content-Disposition']?.startsWith(`${how};`), name);
      assert.match(headers['Content-Security-Policy'] ?? '', /^sandbox; default-src 'none'/);
      assert.equal(headers['X-Content-Type-Options'], 'nosniff');
    }
  });

  it('puts no character of a name into a header that could end it', () => {
    const name = 'a"\r\nSet-Cookie: x\'(ü*).txt';
    const { headers } = answerFor(request(), { ...FILE, name }).head;
    assert.equal(
      headers['Content-Disposition'],
      "inline; filename*=UTF-8''a%22%0D%0ASet-Cookie%3A%20x%27%28%C3%BC%2a%29.txt",
    );
    assert.doesNotThrow(() => new Headers(headers));
  });

  it('tells of errors by HTTP’s word, the message and the code', () => {
    for (const [code, status] of [
      ['ERR_INVALID_CID', 400],
      ['ERR_ENTRY_NOT_FOUND', 404],
      ['ERR_NO_PROVIDERS', 504],
      ['ERR_NO_SPACE', 507],
      ['ERR_WHATEVER', 500],
    ] as const) {
      const { head, text } = answerForError(new ShoalError(code, 'what happened'));
      assert.equal(head.status, status);
      assert.equal(text, `what happened (${code})\n`);
    }
  });
});
