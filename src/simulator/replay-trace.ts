import { ShoalError } from '../errors.ts';
import { Exchange } from '../swarm/core/exchange.ts';
import { seededRng } from '../swarm/core/rng.ts';
import { decodeTraceLine, encodeAction, TRACE_VERSION, type TraceLine } from '../swarm/core/trace-lines.ts';

/** What came of a replay. */
export interface Replay {
  /** Events that were given to the new core, and actions that were the same. */
  readonly events: number;
  readonly actions: number;
  /** Where the two went different ways first; undefined: nowhere. JSON lines; `nothing` where there was no action. */
  readonly difference:
    { readonly line: number; readonly recorded: string; readonly replayed: string } | undefined;
}

/**
 * Gives a trace (`shoal --trace FILE`, `ShoalOptions.trace`) to a new core with the same configuration and seed,
 * and compares what it does. No difference means that what the recorded node decided follows from what the trace
 * says, and can be looked into at leisure. A last line that was cut short is passed over: its node was killed.
 *
 * @param lines without their ends
 * @throws ERR_BAD_TRACE where it is no trace, or one of another version
 */
export async function replayTrace(lines: Iterable<string> | AsyncIterable<string>): Promise<Replay> {
  let exchange: Exchange | undefined;
  const count = { line: 0, events: 0, actions: 0 };
  let broken: ShoalError | undefined;
  for await (const text of lines) {
    count.line++;
    if (broken) throw broken;
    if (text === '') continue;
    const line = read(text, count.line);
    if (line instanceof ShoalError) {
      broken = line;
      continue;
    }
    if (line.kind === 'start') {
      if (exchange) throw bad(count.line, 'starts anew: put each trace into a file of its own');
      if (line.version !== TRACE_VERSION) {
        throw bad(count.line, `is of version ${line.version}, and this Shoal reads ${TRACE_VERSION}`);
      }
      exchange = new Exchange(line.config, seededRng(line.seed));
      continue;
    }
    if (!exchange) throw bad(count.line, 'does not begin a trace: the first line is missing');
    if (line.kind === 'event') {
      exchange.handle(line.nowMs, line.event);
      count.events++;
      continue;
    }
    const difference = differenceAt(exchange, line);
    if (difference) return { ...counted(count), difference: { line: count.line, ...difference } };
    if (line.kind === 'action') count.actions++;
  }
  if (!exchange) throw broken ?? bad(1, 'is missing: the trace is empty');
  return { ...counted(count), difference: undefined };
}

function differenceAt(
  exchange: Exchange,
  line: Extract<TraceLine, { kind: 'action' | 'drained' }>,
): { recorded: string; replayed: string } | undefined {
  const recorded = line.kind === 'action' ? encodeAction(line.action) : 'nothing';
  const action = exchange.poll();
  const replayed = action ? encodeAction(action) : 'nothing';
  return recorded === replayed ? undefined : { recorded, replayed };
}

function read(text: string, line: number): TraceLine | ShoalError {
  try {
    return decodeTraceLine(text);
  } catch (cause) {
    return bad(line, 'cannot be read', cause);
  }
}

function counted({ events, actions }: { events: number; actions: number }): {
  events: number;
  actions: number;
} {
  return { events, actions };
}

function bad(line: number, what: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_BAD_TRACE', `line ${line} of the trace ${what}; record it again with --trace`, {
    cause,
  });
}
