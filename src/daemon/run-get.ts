import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ShoalError, type Asset, type Progress, type Saved, type Shoal } from '../index.ts';
import { cidOf } from './cid-text.ts';
import { MAX_PROGRESS_SOURCES, type GetJob, type JobContext, type ProgressEvent } from './job.ts';
import { safeName } from './safe-name.ts';
import { Throttle } from './throttle.ts';

/** What is here already is found sooner than this; a search that takes longer is one to tell of. */
const SEARCH_UNTOLD_MS = 200;

/** A terminal redraws its line ten times a second; nobody needs to know more often. */
const REPORT_INTERVAL_MS = 100;

/** Finds an asset, downloads it to where the job says, tells how it goes, then serves it for a while. */
export async function runGet(shoal: Shoal, job: GetJob, context: JobContext): Promise<void> {
  const stopListening = reportMisbehaviour(shoal, context);
  using reporter = new ProgressReporter(context);
  try {
    if (job.output.to === 'path') await checkTarget(shoal, job, job.output.path, job.target);
    const kept = job.output.to === 'stdout' ? await keptAssets(shoal) : undefined;
    reporter.search();
    await using asset = await shoal.open(job.target, { signal: context.signal, timeoutMs: job.timeoutMs });
    const piping = kept && Piping.begin(shoal, asset.cid, kept.has(asset.cid));
    try {
      const saved =
        job.output.to === 'stdout'
          ? await writeOut(asset, job, job.output.offset, context, reporter)
          : await save(shoal, asset, job, context, reporter);
      reporter.finish(saved);
      const { path, bytes, durationMs, sources } = saved;
      context.emit({
        event: 'done',
        cid: asset.cid,
        bytes,
        path,
        durationMs: Math.round(durationMs),
        sources,
      });
      await context.linger(job.linger);
      if (piping?.isLast()) await removeUnlessKept(shoal, asset.cid);
    } finally {
      piping?.end();
    }
  } finally {
    stopListening();
  }
}

/**
 * What went through a pipe was kept to be served and resumed; nobody asked for it to stay. Unless another command
 * of this owner saved or shared it meanwhile.
 */
async function removeUnlessKept(shoal: Shoal, cid: string): Promise<void> {
  for await (const known of shoal.list()) {
    if (known.cid !== cid) continue;
    if (known.state !== 'shared' && known.path === undefined) await shoal.remove(cid);
    return;
  }
}

/** The commands of one owner that pipe the same asset: the last of them to end tidies up. */
class Piping {
  static readonly #all = new WeakMap<Shoal, Map<string, Piping>>();
  readonly #leave: () => void;
  readonly #wasKept: boolean;
  #commands = 0;

  private constructor(wasKept: boolean, leave: () => void) {
    this.#wasKept = wasKept;
    this.#leave = leave;
  }

  /** @param isKept whether it was to stay in the data folder before this command, see {@link keptAssets} */
  static begin(shoal: Shoal, cid: string, isKept: boolean): Piping {
    const ofNode = Piping.#all.get(shoal) ?? new Map<string, Piping>();
    Piping.#all.set(shoal, ofNode);
    const piping = ofNode.get(cid) ?? new Piping(isKept, () => ofNode.delete(cid));
    ofNode.set(cid, piping);
    piping.#commands++;
    return piping;
  }

  /** Whether nobody else pipes it, and nobody wanted it kept before. */
  isLast(): boolean {
    return this.#commands === 1 && !this.#wasKept;
  }

  end(): void {
    if (--this.#commands === 0) this.#leave();
  }
}

/**
 * What is in the way is found before anybody is looked for. A device is never replaced: a system without its /dev/null does
 * not get far. Nor is what leads to one, such as /dev/stdout, or a pipe that somebody reads.
 *
 * @param wanted the CID or link of what is to be there
 * @throws ERR_TARGET_EXISTS, ERR_UNSUPPORTED_FILE
 */
async function checkTarget(shoal: Shoal, job: GetJob, path: string, wanted: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && !found.isFile() && !found.isDirectory()) {
    throw new ShoalError(
      'ERR_UNSUPPORTED_FILE',
      `${path} is a device, pipe or socket and is not replaced; choose another target, or write to it with -o - > ${path}`,
    );
  }
  if (job.force || !(await lstat(path).catch(() => undefined))) return;
  // A save that was killed in its very last step has its file at the target already.
  for await (const { path: at, cid } of shoal.list()) if (at === path && mayName(wanted, cid)) return;
  throw new ShoalError(
    'ERR_TARGET_EXISTS',
    `${path} already exists; choose another target, or replace it with --force`,
  );
}

/** Whether a CID or link is that of an asset. In another multibase than its own it may be; once it is open that is known. */
function mayName(wanted: string, cid: string): boolean {
  const own = cidOf(wanted);
  return own === cid || !own.startsWith('b');
}

/**
 * The assets that are to stay, by CID. A part without a path is none of them: it is what an interrupted pipe left, or
 * no more than the nodes that `inspect` read.
 */
async function keptAssets(shoal: Shoal): Promise<Set<string>> {
  const kept = new Set<string>();
  for await (const { cid, state, path } of shoal.list()) {
    if (state !== 'partial' || path !== undefined) kept.add(cid);
  }
  return kept;
}

function targetPath(asset: Asset, job: GetJob): string {
  if (job.output.to === 'path') return job.output.path;
  const folder = job.output.to === 'folder' ? job.output.folder : '.';
  return join(folder, safeName(asset.name, asset.cid));
}

async function save(
  shoal: Shoal,
  asset: Asset,
  job: GetJob,
  context: JobContext,
  reporter: ProgressReporter,
): Promise<Saved> {
  const path = targetPath(asset, job);
  // In a folder it is the asset that names the target, so that only now it is known.
  await checkTarget(shoal, job, path, asset.cid);
  return asset.save(path, {
    force: job.force,
    timeoutMs: job.timeoutMs,
    signal: context.signal,
    onProgress: (progress) => reporter.report(progress),
  });
}

async function writeOut(
  asset: Asset,
  job: GetJob,
  offset: number,
  context: JobContext,
  reporter: ProgressReporter,
): Promise<Saved> {
  if (asset.type !== 'file') {
    throw new ShoalError(
      'ERR_NOT_A_FILE',
      `${asset.cid} is a ${asset.type}, and only a file can be written to standard output; give a path with -o`,
    );
  }
  const startMs = performance.now();
  let sources: Saved['sources'] = [];
  let written = offset;
  const onProgress = (progress: Progress): void => {
    sources = progress.sources;
    // Of a file that another owner had written a part of, the rest is streamed.
    reporter.report({ ...progress, bytes: offset + progress.bytes, total: offset + progress.total });
  };
  for await (const bytes of asset.stream({
    offset,
    timeoutMs: job.timeoutMs,
    signal: context.signal,
    onProgress,
  })) {
    await context.write(bytes);
    written += bytes.length;
  }
  return { path: '-', bytes: written, durationMs: performance.now() - startMs, sources };
}

/** Passes progress on, thinned out, and completes it at the end. A search is told of once it takes time. */
class ProgressReporter implements Disposable {
  readonly #context: JobContext;
  readonly #throttle = new Throttle(REPORT_INTERVAL_MS);
  #last: ProgressEvent | undefined;
  #searching: NodeJS.Timeout | undefined;
  #isSearchTold = false;

  constructor(context: JobContext) {
    this.#context = context;
  }

  /** Looks for the asset, of which nothing is known yet. */
  search(): void {
    this.report({ bytes: 0, total: 0, peers: 0, sources: [], bytesPerSec: 0, phase: 'searching' });
  }

  report(progress: Progress): void {
    const { bytes, total, peers, bytesPerSec, phase } = progress;
    const sources = progress.sources.slice(0, MAX_PROGRESS_SOURCES);
    this.#last = {
      event: 'progress',
      bytes,
      total,
      peers,
      bytesPerSec: Math.round(bytesPerSec),
      phase,
      sources,
    };
    if (phase !== 'searching') this.#endSearch();
    else if (!this.#isSearchTold) return this.#beginSearch();
    this.#emit(this.#last);
  }

  [Symbol.dispose](): void {
    this.#endSearch();
  }

  #beginSearch(): void {
    this.#searching ??= setTimeout(() => {
      this.#isSearchTold = true;
      if (this.#last) this.#emit(this.#last);
    }, SEARCH_UNTOLD_MS);
  }

  #endSearch(): void {
    clearTimeout(this.#searching);
    this.#searching = undefined;
    this.#isSearchTold = false;
  }

  #emit(event: ProgressEvent): void {
    if (this.#throttle.passes(performance.now(), event.phase)) this.#context.emit(event);
  }

  /** The last line says that all is here, whatever was thinned out before. */
  finish(saved: Saved): void {
    this.#endSearch();
    const { bytes } = saved;
    const sources = saved.sources.slice(0, MAX_PROGRESS_SOURCES);
    const peers = this.#last?.peers ?? 0;
    const bytesPerSec = this.#last?.bytesPerSec ?? 0;
    this.#context.emit({
      event: 'progress',
      bytes,
      total: bytes,
      peers,
      bytesPerSec,
      phase: 'done',
      sources,
    });
  }
}

/** A peer that sent wrong bytes was cut off; the one who waits for the download is told which. */
function reportMisbehaviour(shoal: Shoal, context: JobContext): () => void {
  const listener = (event: CustomEvent<{ peer: string; code: string; message: string }>): void => {
    const { peer, code, message } = event.detail;
    context.emit({
      event: 'warning',
      code,
      message: message.includes(peer) ? message : `${peer}: ${message}`,
    });
  };
  shoal.addEventListener('peer:misbehaved', listener);
  return () => shoal.removeEventListener('peer:misbehaved', listener);
}
