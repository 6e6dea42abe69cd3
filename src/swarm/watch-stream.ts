import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { readDirectly } from './direct-reads.ts';

type Received = StreamMessageEvent['data'];

/** What {@link watchStream} tells. */
export interface StreamWatcher {
  /** Memory that may be used again as soon as this returns. */
  onBytes(data: Received): void;
  /** The stream takes bytes again. */
  onDrain(): void;
  /** Nothing more will come: closed, half-closed or reset by the peer, or `onBytes` threw. Called once. */
  onEnd(error: unknown): void;
}

/**
 * Listens to a libp2p stream until it ends or the result is called. `stream.onDrain()` is of no use here: in
 * `@libp2p/utils` 7.4 it waits only the first time. Nothing is ever thrown into libp2p's event dispatch, where
 * it would end the process.
 */
export function watchStream(stream: Stream, watcher: StreamWatcher): () => void {
  const end = (error: unknown): void => {
    unwatch();
    watcher.onEnd(error);
  };
  const onBytes = (data: Received): void => {
    try {
      watcher.onBytes(data);
    } catch (error) {
      end(error);
    }
  };
  const onMessage = (event: StreamMessageEvent): void => onBytes(event.data);
  const onDrain = (): void => {
    // The stream resumes its own queue in a microtask queued just before this one, and may fill up at once.
    queueMicrotask(() => {
      if (stream.writableNeedsDrain) return;
      try {
        watcher.onDrain();
      } catch (error) {
        end(error);
      }
    });
  };
  const onClose = (event: StreamCloseEvent): void => end(event.error);
  const onRemoteClose = (): void => end(undefined);
  const unwatch = (): void => {
    readDirectly(stream, undefined);
    stream.removeEventListener('message', onMessage);
    stream.removeEventListener('drain', onDrain);
    stream.removeEventListener('close', onClose);
    stream.removeEventListener('remoteCloseWrite', onRemoteClose);
  };
  stream.addEventListener('drain', onDrain);
  stream.addEventListener('close', onClose);
  stream.addEventListener('remoteCloseWrite', onRemoteClose);
  stream.addEventListener('message', onMessage);
  readDirectly(stream, onBytes);
  if (stream.status !== 'open') queueMicrotask(() => end(undefined));
  return unwatch;
}

/** The contiguous parts of what a stream delivered. */
export function piecesOf(data: Received): Iterable<Uint8Array> {
  return data instanceof Uint8Array ? [data] : data;
}
