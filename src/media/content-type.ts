/** What browsers show, play or read, by the last part of a name (IANA's media types). */
const TYPES: Readonly<Record<string, string>> = {
  aac: 'audio/aac',
  apng: 'image/apng',
  avif: 'image/avif',
  bmp: 'image/bmp',
  css: 'text/css; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  flac: 'audio/flac',
  gif: 'image/gif',
  htm: 'text/html; charset=utf-8',
  html: 'text/html; charset=utf-8',
  ico: 'image/vnd.microsoft.icon',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  m3u8: 'application/vnd.apple.mpegurl',
  m4a: 'audio/mp4',
  m4s: 'video/iso.segment',
  m4v: 'video/mp4',
  md: 'text/markdown; charset=utf-8',
  mjs: 'text/javascript; charset=utf-8',
  mkv: 'video/x-matroska',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  mpd: 'application/dash+xml',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  ogv: 'video/ogg',
  opus: 'audio/ogg',
  otf: 'font/otf',
  pdf: 'application/pdf',
  png: 'image/png',
  srt: 'text/plain; charset=utf-8',
  svg: 'image/svg+xml',
  ts: 'video/mp2t',
  ttf: 'font/ttf',
  txt: 'text/plain; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
  wav: 'audio/wav',
  weba: 'audio/webm',
  webm: 'video/webm',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xhtml: 'application/xhtml+xml',
  xml: 'text/xml; charset=utf-8',
  zip: 'application/zip',
};

const UNKNOWN = 'application/octet-stream';

/** The media type of a file by its name; of one that is unknown, that of plain bytes. Nothing is read of the file. */
export function contentTypeOf(name: string): string {
  const [, ending = ''] = /\.([^./]+)$/.exec(name) ?? [];
  return Object.hasOwn(TYPES, ending.toLowerCase()) ? (TYPES[ending.toLowerCase()] as string) : UNKNOWN;
}

/** Whether a browser that goes to such a file shows it without running anything in it. Images that are SVG may hold scripts. */
export function isInert(type: string): boolean {
  if (/^(audio|video)\//.test(type)) return true;
  if (type.startsWith('image/')) return type !== 'image/svg+xml';
  return /^text\/(plain|vtt|csv|markdown)/.test(type) || type === 'application/json';
}
