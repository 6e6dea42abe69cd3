/**
 * An object as another one, save for some properties: for giving a part of libp2p something else to work with than its
 * node has. Methods run on the original.
 */
export function overridden<T extends object>(original: T, overrides: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (Object.hasOwn(overrides, name)) return Reflect.get(overrides, name) as unknown;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
