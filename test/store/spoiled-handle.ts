import { type FileHandle } from 'node:fs/promises';

/** A handle that tells where it is read, or throws there. */
export function spoiled(handle: FileHandle, read: (at: number) => void): FileHandle {
  return new Proxy(handle, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        if (name === 'read') read(args[3] as number);
        return value.apply(target, args);
      };
    },
  });
}
