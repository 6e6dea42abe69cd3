/**
 * Of so many assets and peers it is known what they were sent: a seed that runs for months meets millions, for each page that is
 * opened somewhere is another one.
 */
export const MOST_RECENT = 10_000;

/** Notes a value, and forgets the one that was noted longest ago where there are too many. */
export function keepRecent<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_RECENT) map.delete(map.keys().next().value as K);
}
