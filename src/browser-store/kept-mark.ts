const KEY = 'shoal:kept';

/**
 * A mark outside of what browsers delete when space runs short, that something was kept: by it a page can tell that it
 * was deleted, and that the page is not just new.
 */
export function keptMark(): { readonly isSet: boolean; set(isKept: boolean): void } {
  let now = safely(() => localStorage.getItem(KEY) !== null) ?? false;
  return {
    get isSet() {
      return now;
    },
    set(isKept) {
      if (isKept === now) return;
      now = isKept;
      safely(() => (isKept ? localStorage.setItem(KEY, '1') : localStorage.removeItem(KEY)));
    },
  };
}

/** Pages may be denied it. */
function safely<T>(task: () => T): T | undefined {
  try {
    return task();
  } catch {
    return undefined;
  }
}
