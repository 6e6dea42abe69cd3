import { statSync } from 'node:fs';
import { createShoal, defaultDataDir, ShoalError, type Shoal, type ShoalOptions } from '../index.ts';
import { Owner } from '../daemon/control-client.ts';
import { NODE_KINDS, type NodeKind } from '../daemon/control-protocol.ts';
import { ControlServer } from '../daemon/control-server.ts';
import { errorCode, errorMessage } from '../daemon/error-text.ts';
import type { Job, JobContext, JobEvent } from '../daemon/job.ts';
import { runJob } from '../daemon/run-job.ts';
import { waitOrStop } from '../daemon/wait.ts';
import { watchNode } from '../daemon/watch-node.ts';
import { version } from '../version.ts';
import { logger, type CommonOptions } from './common-options.ts';
import { DownloadTally } from './download-tally.ts';
import { formatDuration } from './format.ts';
import { HumanReporter } from './human-reporter.ts';
import { LogLines } from './log-lines.ts';
import type { PageServer } from './page-server.ts';
import { reportError } from './report-error.ts';
import { createReporter, type Reporter } from './reporter.ts';
import { standardInput } from './standard-input.ts';
import { StopSignal } from './stop-signal.ts';
import { unblockTerminal } from './unblock-terminal.ts';

/** Who waits for another command to end is told so after this; most take less. */
const WAIT_UNTOLD_MS = 2_000;

/**
 * A command that closes, or one that starts, holds the folder for a moment without answering: it is tried so many times, for
 * some five seconds. On a busy machine, where that one takes longer, each try does too.
 */
const BUSY_TRIES = 100;

/** The time between two tries. */
const BUSY_RETRY_MS = 50;

/** The name of the network where `--network` is not given. */
const DEFAULT_NETWORK = 'main';

/** Events of which a list is made: none is to be in it twice. */
const ONE_BY_ONE: ReadonlySet<string> = new Set(['asset', 'verified', 'sharing']);

/** Of all commands only a download has something to go on from. */
const GET_GOES_ON = 'what came so far is kept, and the same command goes on from there';

/** What a verb wants done, and with what kind of node. */
export interface CommandPlan {
  job: Job;
  node: NodeKind;
  /** Serves until it is stopped. */
  permanent: boolean;
  /** Also serves the page, at this port of loopback; 0 is any free one. */
  page?: { port: number };
}

/**
 * Runs a verb: with a node of its own where nobody owns the data folder, else at the owner, and with its own again
 * when that owner goes away.
 *
 * @returns the exit code
 */
export async function runCommand(plan: CommandPlan, options: CommonOptions): Promise<number> {
  using stop = new StopSignal(plan.job.verb === 'get' ? GET_GOES_ON : undefined);
  const asJson = options.json ?? false;
  const contentToStdout = plan.job.verb === 'get' && plan.job.output.to === 'stdout';
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) unblockTerminal(stream);
  const reporter = createReporter({ asJson, contentToStdout, stdout, stderr, now: () => performance.now() });
  try {
    await using page = plan.page && (await servePage(plan.page.port));
    await new Command(plan, options, reporter, stop, page).run();
    // Only now is an empty list known to be empty.
    if (plan.job.verb === 'ls' && reporter instanceof HumanReporter) reporter.expectList();
    reporter.close();
    await stop.outputTaken();
    return 0;
  } catch (thrown) {
    reporter.close();
    const { aborted, reason } = stop.signal;
    const error: unknown = aborted ? reason : thrown;
    // A reader that has seen enough wants to see no more; a program is told, lest it takes a part for the whole.
    const isQuiet = aborted && (stop.exitCode === 0 || (!asJson && errorCode(error) === 'ERR_PIPE_CLOSED'));
    if (!isQuiet) reportError(error, { asJson, jsonTo: contentToStdout ? stderr : stdout });
    return aborted ? stop.exitCode : 1;
  }
}

/** One verb on its way, which may move from owner to owner. */
class Command {
  readonly #plan: CommandPlan;
  readonly #options: CommonOptions;
  readonly #reporter: Reporter;
  readonly #stop: StopSignal;
  readonly #page: PageServer | undefined;
  #isPageTold = false;
  readonly #dataDir: string;
  readonly #logLines: LogLines;
  readonly #tally = new DownloadTally(() => performance.now());
  /** The link that was told last of each asset that this command shares, by CID. */
  readonly #links = new Map<string, string>();
  /** What is removed: it is unknown from then on, which would end what is left to remove. */
  readonly #removed = new Set<string>();
  /** Content bytes that went to standard output. */
  #written = 0;
  #isInputUsed = false;
  /** What owners that have gone told of things one by one: work that is begun anew tells it once more. */
  readonly #toldBefore = new Set<string>();
  /** An owner was given the work, or some of it. */
  #isHandedOver = false;
  /** Set once the work is done: what is left is serving. */
  #lingering: number | 'forever' | 'handed' | undefined;

  constructor(
    plan: CommandPlan,
    options: CommonOptions,
    reporter: Reporter,
    stop: StopSignal,
    page: PageServer | undefined,
  ) {
    this.#plan = plan;
    this.#page = page;
    this.#options = options;
    this.#reporter = reporter;
    this.#stop = stop;
    this.#dataDir = options.data ?? defaultDataDir();
    const { verb } = plan.job;
    const mayFailOfIt = verb !== 'share' && verb !== 'seed';
    this.#logLines = new LogLines((level, message) => reporter.log(level, message), mayFailOfIt);
  }

  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#logLines.covered(errorMessage(error));
      throw error;
    } finally {
      this.#logLines.release();
    }
  }

  async #run(): Promise<void> {
    if (isAboutFolder(this.#plan.job) && isMissing(this.#dataDir)) return this.#withoutFolder();
    let tries = 0;
    for (let job: Job | undefined = this.#plan.job; job !== undefined; job = this.#rest()) {
      const owner = await Owner.find(this.#dataDir, this.#stop.signal);
      if (owner && !suffices(owner.hello.node, this.#plan)) {
        await this.#waitFor(owner);
        tries = 0;
        continue;
      }
      if (owner) {
        if ((await this.#handOver(owner, job)) === 'done') return;
        this.#tally.ownerChanged();
        tries = 0;
        continue;
      }
      const shoal = await this.#own(++tries === BUSY_TRIES);
      if (shoal) return this.#runOwn(shoal, job);
      await waitOrStop(BUSY_RETRY_MS, this.#stop.signal);
      this.#stop.signal.throwIfAborted();
    }
  }

  /** A folder of a name that was mistyped is not made for what only asks about it: it knows nothing. */
  #withoutFolder(): void {
    const { job } = this.#plan;
    if (job.verb === 'limit') throw notRunning(this.#dataDir);
    const problem = `there is no data folder ${this.#dataDir}`;
    if ('cids' in job && job.cids.length > 0)
      throw new ShoalError('ERR_UNKNOWN_ASSET', `${problem}, so that it knows no asset; look at --data`);
    this.#reporter.note(`(${problem} yet: share and get make it)`);
  }

  /** An owner that does not serve, as `shoal verify`, can do nothing for one that is to. */
  async #waitFor(owner: Owner): Promise<void> {
    const { signal } = this.#stop;
    const note = `Another shoal command (process ${owner.hello.pid}) uses the data folder and does not serve; waiting for its end.`;
    let isNoneRunning = false;
    const timer = setTimeout(() => {
      // What it was to change would not be there after that end either.
      isNoneRunning = this.#plan.job.verb === 'limit';
      if (isNoneRunning) owner.close();
      else this.#reporter.note(note);
    }, WAIT_UNTOLD_MS);
    await owner.ended(signal);
    clearTimeout(timer);
    signal.throwIfAborted();
    if (isNoneRunning) throw notRunning(this.#dataDir);
  }

  /** What is left to do when an owner has gone away. */
  #rest(): Job | undefined {
    const { job } = this.#plan;
    if (this.#lingering === 'forever')
      return { verb: 'seed', announce: [...this.#links.keys()], stay: this.#page !== undefined };
    if (this.#lingering !== undefined) return undefined;
    if (this.#isInputUsed) {
      throw new ShoalError(
        'ERR_OWNER_GONE',
        'the running shoal that took over standard input has ended; run the command again',
      );
    }
    if (job.verb === 'rm') {
      const cids = job.cids.filter((cid) => !this.#removed.has(cid));
      const begun = this.#isHandedOver ? cids[0] : undefined;
      return cids.length > 0 ? { ...job, cids, begun } : undefined;
    }
    if (job.verb !== 'get' || job.output.to !== 'stdout') return job;
    return { ...job, output: { to: 'stdout', offset: this.#written } };
  }

  async #handOver(owner: Owner, job: Job): Promise<'done' | 'owner-gone'> {
    const { hello } = owner;
    const { network, peer = [], bootstrap = [] } = this.#options;
    if (network !== undefined && network !== hello.network) {
      owner.close();
      throw new ShoalError(
        'ERR_NETWORK_MISMATCH',
        `the data folder is used by process ${hello.pid} in the network "${hello.network}", not "${network}"; stop it, or use another folder with --data`,
      );
    }
    if (this.#plan.node === 'serving') this.#listening(hello.peer, hello.addresses, hello.network);
    this.#warnOfIgnoredOptions(hello.pid);
    this.#isHandedOver = true;
    const readsInput = job.verb === 'share' && job.sources.includes('-');
    const peers = this.#plan.node === 'local' ? [] : [...peer, ...bootstrap];
    const told: string[] = [];
    const result = await owner
      .run(job, {
        peers,
        input: readsInput ? this.#input() : undefined,
        signal: this.#stop.signal,
        sink: {
          emit: (event) => {
            this.#emit(event);
            if (ONE_BY_ONE.has(event.event)) told.push(JSON.stringify(event));
          },
          write: (bytes) => this.#write(bytes),
          lingering: (durationMs) => this.#workDone(durationMs, hello.pid),
        },
      })
      .catch((error: unknown) => {
        // Stopped while serving: the work was done before.
        if (this.#stop.signal.aborted && this.#lingering !== undefined) return 'done' as const;
        throw error;
      });
    if (result === 'owner-gone') for (const text of told) this.#toldBefore.add(text);
    return result;
  }

  /** @returns undefined where somebody else owns the folder, who may answer or go in a moment */
  async #own(isLastTry: boolean): Promise<Shoal | undefined> {
    try {
      return await createShoal(this.#nodeOptions());
    } catch (error) {
      if (errorCode(error) !== 'ERR_DATA_DIR_IN_USE') throw error;
      if (!isLastTry) return undefined;
      throw new ShoalError(
        'ERR_DATA_DIR_IN_USE',
        `${this.#dataDir} is used by another process that takes no commands (an application with Shoal inside); stop it, or use another folder with --data`,
        { cause: error },
      );
    }
  }

  #nodeOptions(): ShoalOptions {
    const { listen, network, peer, bootstrap, web, mdns, dht, fleet, offload, trace, logLevel } =
      this.#options;
    const { uploadLimit, downloadLimit, peerUploadLimit, peerDownloadLimit } = this.#options;
    const { relay, relayPeers, stun } = this.#options;
    const log = logger(logLevel, (level, message) => this.#logLines.add(level, message));
    const common = {
      dataDir: this.#dataDir,
      network: network ?? DEFAULT_NETWORK,
      log,
      signal: this.#stop.signal,
    };
    if (this.#plan.node === 'local') return { ...common, listen: [], mdns: false, dht: false };
    return {
      ...common,
      listen: this.#plan.node === 'looking' ? [] : listen,
      peers: peer,
      bootstrap,
      web: web ?? this.#plan.permanent,
      relay: relay !== false && relayPeers !== undefined ? { peers: relayPeers } : relay,
      stunServers: stun,
      mdns,
      dht,
      uploadBytesPerSec: uploadLimit,
      downloadBytesPerSec: downloadLimit,
      perPeer: { uploadBytesPerSec: peerUploadLimit, downloadBytesPerSec: peerDownloadLimit },
      fleet,
      offload,
      trace,
    };
  }

  async #runOwn(node: Shoal, job: Job): Promise<void> {
    await using shoal = node;
    // Nobody had the folder, and who is about to start takes the limits by its own options.
    if (job.verb === 'limit') throw notRunning(this.#dataDir);
    const { signal } = this.#stop;
    const network = this.#options.network ?? DEFAULT_NETWORK;
    const isServing = this.#plan.node === 'serving';
    await using server = await this.#listen(shoal, network);
    if (isServing) this.#listening(shoal.id, shoal.addresses, network);
    const isOnShow = this.#plan.job.verb === 'share' || this.#plan.job.verb === 'seed';
    using _watch = isOnShow ? watchNode(shoal, (event) => this.#emit(event)) : undefined;
    const context: JobContext = {
      signal,
      emit: (event) => this.#emit(event),
      write: (bytes) => this.#write(bytes),
      input: () => this.#input(),
      linger: async (durationMs) => {
        this.#workDone(durationMs, undefined);
        if (this.#plan.permanent) server?.stay();
        await waitOrStop(durationMs, signal);
      },
    };
    try {
      await runJob(shoal, network, job, context);
    } catch (error) {
      if (server) await this.#waitForOthers(server, true);
      throw error;
    }
    // Who reads a pipe, or a list, waits for its end.
    const isPipe = job.verb === 'get' && job.output.to === 'stdout';
    if (server) await this.#waitForOthers(server, isPipe || !isServing);
  }

  /** @param isForInput only for those that share their input: the others go on by themselves */
  async #waitForOthers(server: ControlServer, isForInput: boolean): Promise<void> {
    const { signal } = this.#stop;
    if ((isForInput ? server.runningForInput : server.running) === 0 || signal.aborted) return;
    this.#reporter.note(
      'Another shoal command is still at work here; waiting for it. Ctrl-C leaves it to go on by itself.',
    );
    await server.idle(signal, isForInput);
  }

  /** Tells of the node that serves, this process's or the owner's, and the page of it too. */
  #listening(peer: string, addresses: readonly string[], network: string): void {
    this.#emit({ event: 'listening', peer, addresses });
    if (!this.#page) return;
    this.#page.use({ network, peer, addresses });
    if (!this.#isPageTold) this.#emit({ event: 'page', url: this.#page.url });
    this.#isPageTold = true;
    if (addresses.some((address) => /\/(webrtc-direct|ws)(\/|$)/.test(address))) return;
    const message =
      'the running shoal that owns the data folder serves no pages, so that others cannot reach what is shared in this one; start it without --no-web, or name another folder with --data';
    this.#emit({ event: 'warning', code: 'ERR_NO_BROWSER_ADDRESS', message });
  }

  /** A folder that cannot hold a socket serves all the same, only without commands beside it. */
  async #listen(shoal: Shoal, network: string): Promise<ControlServer | undefined> {
    try {
      return await ControlServer.listen(shoal, { network, version, node: this.#plan.node });
    } catch (error) {
      if (this.#plan.node !== 'serving') return undefined;
      const message = `other commands cannot be handed over to this one: ${errorMessage(error)}`;
      this.#emit({ event: 'warning', code: 'ERR_CONTROL_UNAVAILABLE', message });
      return undefined;
    }
  }

  /** After the work is done only notes are printed: `done` is the last event of a `get`. */
  #emit(event: JobEvent): void {
    if (this.#plan.job.verb === 'get' && this.#lingering !== undefined) return;
    if (this.#plan.job.verb === 'share' && event.event === 'seeding') return;
    if (ONE_BY_ONE.has(event.event) && this.#toldBefore.has(JSON.stringify(event))) return;
    if (event.event === 'sharing' && this.#isToldAlready(event)) return;
    if (event.event === 'removed') this.#removed.add(event.cid);
    if (event.event === 'warning') this.#logLines.covered(event.message);
    this.#reporter.event(this.#tally.add(event));
  }

  /** After another owner took over, an asset is told again where its address is a new one. */
  #isToldAlready({ cid, link }: { cid: string; link: string }): boolean {
    const before = this.#links.get(cid);
    this.#links.set(cid, link);
    if (this.#lingering === undefined) return false;
    if (before === link) return true;
    this.#reporter.note(
      before !== undefined && isAllIn(before, link)
        ? 'The shoal that served this has ended. It is served from more addresses now, and the old link is still good:'
        : 'The shoal that served this has ended. It is served from a new address, and the old link is dead:',
    );
    return false;
  }

  #workDone(durationMs: number | 'forever' | 'handed', ownerPid: number | undefined): void {
    const isFirst = this.#lingering === undefined;
    this.#lingering = durationMs;
    this.#stop.exitCode = 0;
    this.#logLines.release();
    const note = (text: string): void => this.#reporter.note(text);
    if (durationMs === 'handed') note(`The running shoal (process ${ownerPid}) goes on serving it.`);
    else if (durationMs === 'forever' && isFirst) note('Serving until you press Ctrl-C.');
    else if (typeof durationMs === 'number' && durationMs > 0) {
      note(
        `Serving it to others for ${formatDuration(durationMs)} more. Ctrl-C ends that; --linger changes it.`,
      );
    }
  }

  #input(): AsyncIterable<Uint8Array> {
    this.#isInputUsed = true;
    return standardInput();
  }

  /** Resolves when standard output has taken it all: before, it may still fail. */
  async #write(bytes: Uint8Array): Promise<void> {
    const { signal } = this.#stop;
    signal.throwIfAborted();
    this.#written += bytes.length;
    const taken = Promise.withResolvers<void>();
    const stopped = (): void => taken.resolve();
    signal.addEventListener('abort', stopped, { once: true });
    process.stdout.write(bytes, (error) => {
      if (error) this.#stop.outputFailed(error);
      taken.resolve();
    });
    await taken.promise;
    signal.removeEventListener('abort', stopped);
    signal.throwIfAborted();
  }

  #warnOfIgnoredOptions(pid: number): void {
    if (this.#plan.node === 'local') return;
    const { listen, uploadLimit, downloadLimit, peerUploadLimit, peerDownloadLimit, mdns, dht } =
      this.#options;
    const { fleet, offload, trace, web, relay, relayPeers, stun } = this.#options;
    const given = [
      listen && '--listen',
      uploadLimit && '--upload-limit',
      downloadLimit && '--download-limit',
      peerUploadLimit && '--peer-upload-limit',
      peerDownloadLimit && '--peer-download-limit',
      fleet && '--fleet',
      offload && '--offload',
      trace && '--trace',
      web !== undefined && (web ? '--web' : '--no-web'),
      relay !== undefined && (relay ? '--relay' : '--no-relay'),
      relayPeers && '--relay-peers',
      stun && '--stun',
      mdns === false && '--no-mdns',
      dht === false && '--no-dht',
    ].filter((name) => typeof name === 'string');
    if (given.length === 0) return;
    const message = `the data folder is used by process ${pid}, which does this with its own settings; ignored here: ${given.join(', ')}`;
    this.#emit({ event: 'warning', code: 'ERR_OPTION_IGNORED', message });
  }
}

/** Whether an owner's node can do what is planned; only one that serves has limits that are worth changing. */
function suffices(node: NodeKind = 'serving', { job, node: needed }: CommandPlan): boolean {
  return NODE_KINDS.indexOf(node) >= NODE_KINDS.indexOf(job.verb === 'limit' ? 'serving' : needed);
}

/** Whether a job is about what is in the data folder, or who owns it, alone. */
function isAboutFolder({ verb }: Job): boolean {
  return verb === 'ls' || verb === 'rm' || verb === 'verify' || verb === 'limit';
}

/** What may not be looked at may be there: who opens it says what is wrong. */
function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** Loads what only this needs. */
async function servePage(port: number): Promise<PageServer> {
  const { PageServer } = await import('./page-server.ts');
  return PageServer.listen(port);
}

/** Whether a link names every address of another. */
function isAllIn(before: string, link: string): boolean {
  const addresses = (text: string): string[] => new URLSearchParams(text.split('?')[1]).getAll('a');
  const now = new Set(addresses(link));
  return addresses(before).every((address) => now.has(address));
}

function notRunning(dataDir: string): ShoalError {
  return new ShoalError(
    'ERR_NOT_RUNNING',
    `no shoal that takes commands runs with ${dataDir}; give limits to share, get or seed when they start`,
  );
}
