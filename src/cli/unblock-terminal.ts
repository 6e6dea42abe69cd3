import type { WriteStream } from 'node:tty';

/**
 * Lets a terminal take what is written when it can. Node waits for it, and does nothing else meanwhile: where its user has
 * stopped it (Ctrl-S), or its ssh hangs, a node would serve and fetch nothing. No public API says so.
 */
export function unblockTerminal(stream: WriteStream): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (isBlocking: boolean) => unknown } };
  if (stream.isTTY) handle?.setBlocking?.(false);
}
