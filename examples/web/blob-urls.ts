import { make } from './elements.ts';
import { plainText } from './text.ts';

/** Addresses of what was fetched, for as long as it is shown: each keeps its Blob, which may lie in memory. */
const blobUrls = new Set<string>();

/** An address of a Blob, until {@link revokeUrls}. */
export function urlOf(blob: Blob): string {
  const url = URL.createObjectURL(blob);
  blobUrls.add(url);
  return url;
}

/** Lets go of all that is shown no more. */
export function revokeUrls(): void {
  for (const url of blobUrls) URL.revokeObjectURL(url);
  blobUrls.clear();
}

/** A Blob has no type here: a browser that opens the address runs nothing of it. */
export function saveLink(blob: Blob, name: string): HTMLAnchorElement {
  const link = make('a', { className: 'button', href: urlOf(blob), download: name }, 'Save');
  link.setAttribute('aria-label', `Save ${plainText(name)}`);
  return link;
}
