/**
 * An async generator that ends when its reader goes, also while the reader waits. By itself one heeds `return` only once what it
 * awaits is here: a web stream that is cancelled, or a response whose client has gone, would go on waiting for it, and fetching.
 *
 * @param start makes the generator, which is to end when `gone` aborts
 */
export function endable<T>(start: (gone: AbortSignal) => AsyncGenerator<T>): AsyncGenerator<T> {
  const gone = new AbortController();
  const items = start(gone.signal);
  const over: IteratorResult<T> = { done: true, value: undefined };
  const end = async (): Promise<IteratorResult<T>> => {
    gone.abort();
    return items.return(undefined);
  };
  return {
    async next() {
      try {
        return await items.next();
      } catch (error) {
        if (gone.signal.aborted) return over;
        throw error;
      }
    },
    return: end,
    async throw(error: unknown) {
      await end();
      throw error;
    },
    async [Symbol.asyncDispose]() {
      await end();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
