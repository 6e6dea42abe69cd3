/**
 * The same text in one piece. What is put together letter by letter, as multiformats makes the text of a CID, V8 keeps as a
 * chain of its letters, 32 bytes for each, until somebody reads in it: 1.4 KB for a CID, where 80 bytes do.
 *
 * @param text of Latin letters only
 */
export function flatText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
