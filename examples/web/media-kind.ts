export type MediaKind = 'video' | 'audio' | 'image' | 'text' | 'other';

const ENDINGS: readonly [MediaKind, RegExp][] = [
  ['video', /\.(mp4|m4v|webm|mov|ogv|mkv)$/i],
  ['audio', /\.(mp3|m4a|aac|flac|wav|ogg|oga|opus|weba)$/i],
  ['image', /\.(png|apng|jpe?g|gif|webp|avif|svg|bmp|ico)$/i],
  ['text', /\.(txt|md|csv|json|log|srt|vtt)$/i],
];

/** How a file can be shown, by its name. */
export function mediaKind(name: string): MediaKind {
  return ENDINGS.find(([, ending]) => ending.test(name))?.[0] ?? 'other';
}
