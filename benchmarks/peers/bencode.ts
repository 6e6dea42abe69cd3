/** What BEP 3 can write: byte strings (text as UTF-8), whole numbers, lists and dictionaries. */
export type Bencodable =
  string | number | Uint8Array | readonly Bencodable[] | { readonly [key: string]: Bencodable };

/**
 * Encodes for torrents and trackers (BEP 3). Dictionary keys are sorted as bytes, as the format wants; they are ASCII
 * here, where that is the order of JavaScript's strings.
 * @throws RangeError for a number that is not a safe integer
 */
export function bencode(value: Bencodable): Buffer {
  if (typeof value === 'string') return bencode(Buffer.from(value));
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`bencode has no number ${value}`);
    return Buffer.from(`i${value}e`);
  }
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.from(`${value.byteLength}:`), value]);
  if (isList(value)) return Buffer.concat([Buffer.from('l'), ...value.map(bencode), Buffer.from('e')]);
  const entries = Object.keys(value)
    .toSorted()
    .flatMap((key) => [bencode(key), bencode(value[key] as Bencodable)]);
  return Buffer.concat([Buffer.from('d'), ...entries, Buffer.from('e')]);
}

function isList(value: Bencodable): value is readonly Bencodable[] {
  return Array.isArray(value);
}
