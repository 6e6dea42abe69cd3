/** What the bare streams of the benchmarks speak. */
export const PROTOCOL = '/bench/stream/1';
