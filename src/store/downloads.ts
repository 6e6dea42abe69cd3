import { dirname, resolve } from 'node:path';
import { CID } from 'multiformats/cid';
import { ShoalError } from '../errors.ts';
import type { Bitfield } from '../swarm/core/bitfield.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { RAW_CODE } from '../integrity/parse-cid.ts';
import { VerifiedChunk } from '../integrity/verified-chunk.ts';
import type { AssetEntry, Download } from './asset-entry.ts';
import { BitmapFile, countClaims } from './bitmap-file.ts';
import type { Catalog } from './catalog.ts';
import { changeTarget, isDeleted, putBackReplaced, settleChange } from './change-target.ts';
import type { Log } from './data-folder.ts';
import { lstatOrUndefined, type FileStamps } from './file-stamps.ts';
import { copyChunks, type ResumeOptions } from './copy-chunks.ts';
import {
  checkDownloadTarget,
  commitPlace,
  deleteReplaced,
  finishDownload,
  isAtTarget,
  notAllHere,
} from './finish-download.ts';
import { newId } from './node-index.ts';
import type { LiveDownload } from './open-asset.ts';
import { Partial } from './partial.ts';
import { deleteForGood, deleteTree, makeTree, partialGone, partialName } from './partial-tree.ts';
import { checkSpace } from './space.ts';
import type { DownloadOptions, Recheck } from './store.ts';
import { checkNames } from './entry-names.ts';

/** How much a download goes on before that is noted in its record, which `ls` shows. */
const NOTE_BYTES = 32 * 1024 * 1024;

/**
 * The downloads of a data folder. The caller holds the root's lock around each method.
 *
 * The order of what is written makes every moment safe to be killed in: first the record that names the partial, then
 * the partial, then chunks, each before its bit; at the end the rename, then the record of the new place. A record
 * without its partial is either one that has not begun or one whose rename has happened: {@link Downloads.resume}
 * tells which by hashing what lies at the target.
 */
export class Downloads {
  readonly #catalog: Catalog;
  readonly #log: Log;
  readonly #live = new Map<string, LiveDownload>();

  constructor(catalog: Catalog, log: Log) {
    this.#catalog = catalog;
    this.#log = log;
  }

  /**
   * Bytes of chunks that a download has, without hashing them: exact while it is open, else what its bitmap claims,
   * at the mean size of a chunk. What its record says may be older: that is not written with every chunk.
   */
  async bytesHere(root: CID): Promise<number> {
    const entry = this.#catalog.entry(root);
    const noted = entry?.download?.bytesHere ?? 0;
    if (!entry?.download || this.#isOpen(root)) return noted;
    const { chunks, chunkBytes } = entry;
    if (!chunks || chunkBytes === undefined) return noted;
    // One bitmap that cannot be read is no reason to list nothing.
    const count = await countClaims(this.#catalog.folder.bitmapPath(root), chunks).catch(() => undefined);
    if (count === undefined) return noted;
    return Math.round((chunkBytes * count) / chunks);
  }

  #isOpen(root: CID): boolean {
    const live = this.#live.get(root.toString());
    return live !== undefined && !live.placed;
  }

  /** Closes one handle's share of a download. */
  async release(root: CID, live: LiveDownload): Promise<void> {
    if (--live.users > 0) return;
    const key = root.toString();
    if (this.#live.get(key) === live) this.#live.delete(key);
    if (live.placed) {
      await live.placed.close();
      return;
    }
    await live.partial.close();
    if (this.#catalog.entry(root)?.download?.partial === live.partial.base)
      await this.#noteBytesHere(root, live.partial.bytesHere);
  }

  /** The index of a full disk takes nothing, and this is no reason for a download not to close. */
  async #noteBytesHere(root: CID, bytesHere: number): Promise<void> {
    try {
      await this.#catalog.noteBytesHere(root, bytesHere);
    } catch (error) {
      this.#log('warn', `how far the download of ${root.toString()} is was not noted: ${String(error)}`);
    }
  }

  /**
   * Opens the download that a record names: the open one, the one on disk, or, where it has not begun, an empty one.
   *
   * @param mayRestart whether it begins again where its files are gone; else that is an error, since their disk may
   * only be away, and what the bitmap knows of them is kept
   * @returns undefined where there is none, or where it turned out to be finished: then it is a place now
   * @throws ERR_NOT_FOUND where its files are gone
   */
  async resume(
    root: CID,
    manifest: Manifest,
    options: ResumeOptions,
    mayRestart = false,
  ): Promise<LiveDownload | undefined> {
    const live = this.#live.get(root.toString());
    if (live && !live.placed) {
      live.users++;
      return live;
    }
    await settleChange(this.#catalog, this.#log, root);
    const download = this.#catalog.entry(root)?.download;
    if (!download) return undefined;
    if (await isAtTarget(this.#catalog, root, download)) {
      if (await this.#adoptTarget(root, manifest, download, options)) return undefined;
    }
    return this.#openPartial(root, manifest, download, options, mayRestart ? 'restart' : 'resume');
  }

  /**
   * Hashes what an unfinished download has, open or not, and forgets what is damaged.
   *
   * @returns undefined where there is none, or where it turned out to be finished
   */
  async recheck(root: CID, manifest: Manifest, options: ResumeOptions): Promise<Recheck | undefined> {
    const isOpen = this.#isOpen(root);
    const live = await this.resume(root, manifest, options);
    if (!live) return undefined;
    try {
      const { partial } = live;
      const bytesBad = isOpen ? await partial.check(options.signal, options.onCheck) : live.bytesDamaged;
      const problem = `${bytesBad} bytes of the unfinished download ${partial.base} were damaged or missing; they are fetched again when it is resumed`;
      return {
        path: live.path,
        bytesGood: partial.bytesHere,
        bytesBad,
        problems: bytesBad > 0 ? [problem] : [],
        isRenewed: false,
      };
    } finally {
      await this.release(root, live);
    }
  }

  /** See `Store.startDownload`, where there is no place that will do as it is. */
  async start(root: CID, manifest: Manifest, options: DownloadOptions): Promise<LiveDownload | undefined> {
    checkNames(manifest);
    const known = this.#catalog.entry(root)?.download;
    const target = options.path === undefined ? known?.path : resolve(options.path);
    const force = options.force ?? false;
    // Before anything is hashed, unless it may be this very download that lies there.
    if (target !== undefined && target !== known?.path)
      await checkDownloadTarget(this.#catalog, manifest, target, force);
    const earlier = await this.#resumeElsewhere(root, manifest, target, options);
    if (earlier === 'finished') return undefined;
    try {
      if (target !== undefined) await checkDownloadTarget(this.#catalog, manifest, target, force);
      const live = await this.#moveOrMake(root, manifest, target, earlier, options);
      await this.#fill(root, manifest, live, options);
      return live;
    } catch (error) {
      const live = this.#live.get(root.toString());
      if (live) await this.release(root, live);
      throw error;
    }
  }

  /** Everything is here: puts it at its target. @throws ERR_INCOMPLETE, ERR_TARGET_EXISTS, ERR_DISK_FULL, ERR_IO */
  async finish(root: CID, manifest: Manifest, live: LiveDownload, force: boolean): Promise<void> {
    if (live.placed) return;
    const download = this.#catalog.entry(root)?.download;
    // Another may have begun where this one was, since the asset was removed.
    const isThis = this.#live.get(root.toString()) === live;
    if (!live.partial.isFull || !download || !isThis) throw notAllHere(root);
    await finishDownload(this.#catalog, this.#log, manifest, live, download, force);
  }

  /** Closes what is still open. @throws the first error, when all others are closed */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const [key, live] of this.#live) {
      live.users = 1;
      await this.release(CID.parse(key), live).catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Deletes what the data folder and the target's folder hold of an unfinished download. */
  async discard(root: CID, download: Download): Promise<void> {
    const { other } = download;
    await putBackReplaced(download);
    const live = this.#live.get(root.toString());
    if (live && !live.placed) {
      this.#live.delete(root.toString());
      await live.partial.close();
    }
    await deleteForGood(download.partial);
    if (other !== undefined) await deleteForGood(other);
    await deleteForGood(this.#catalog.folder.nextBitmapPath(root));
    await deleteForGood(this.#catalog.folder.bitmapPath(root));
  }

  /** What an earlier download left; where that is for another target, it does not matter that it is gone. */
  async #resumeElsewhere(
    root: CID,
    manifest: Manifest,
    target: string | undefined,
    options: DownloadOptions,
  ): Promise<LiveDownload | 'finished' | undefined> {
    const known = this.#catalog.entry(root)?.download;
    if (!known) return undefined;
    try {
      const live = await this.resume(root, manifest, options, known.path === target);
      return live ?? (known.path === target ? 'finished' : undefined);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (known.path === target) throw error;
      if (mayPass(error)) throw cannotMove(known.partial, error);
      this.#log('warn', `the unfinished download in ${known.partial} cannot be used: ${String(error)}`);
      return undefined;
    }
  }

  async #moveOrMake(
    root: CID,
    manifest: Manifest,
    target: string | undefined,
    earlier: LiveDownload | undefined,
    options: DownloadOptions,
  ): Promise<LiveDownload> {
    if (!earlier) return this.#make(root, manifest, target, options);
    if (earlier.path === target) return earlier;
    const change = {
      catalog: this.#catalog,
      log: this.#log,
      manifest,
      target,
      to: this.#newPartialPath(root, target),
      newPartial: (base: string, bitmap: BitmapFile) => this.#newPartial(root, manifest, base, bitmap),
    };
    const live = await changeTarget(change, earlier, options);
    this.#live.set(root.toString(), live);
    return live;
  }

  async #make(
    root: CID,
    manifest: Manifest,
    target: string | undefined,
    options: DownloadOptions,
  ): Promise<LiveDownload> {
    const { folder } = this.#catalog;
    const entry = this.#catalog.entry(root) as AssetEntry;
    await checkSpace(target === undefined ? folder.path : dirname(target), manifest.size, root.toString());
    const partial = this.#newPartialPath(root, target);
    const before = entry.download;
    if (before) await putBackReplaced(before);
    const isOpen = this.#live.get(root.toString())?.partial.base === before?.partial;
    const download: Download = { path: target, partial, bytesHere: 0 };
    const noted = { ...entry, name: options.name ?? entry.name, download };
    await this.#catalog.put(root, noted);
    if (target === undefined) await deleteTree(partial);
    let live: LiveDownload;
    try {
      live = await this.#openPartial(root, manifest, download, options, 'new');
    } catch (error) {
      // What cannot be deleted stays in the record, so that it is used or deleted later.
      if (!(await lstatOrUndefined(partial))) {
        await this.#catalog.put(root, entry);
        if (!before) await isDeleted(this.#log, folder.bitmapPath(root));
      }
      throw error;
    }
    if (before && !isOpen) await isDeleted(this.#log, before.partial);
    if (before?.other !== undefined) await isDeleted(this.#log, before.other);
    return live;
  }

  #newPartialPath(root: CID, target: string | undefined): string {
    return target === undefined
      ? this.#catalog.folder.partialPath(root)
      : partialName(target, root.toString(), newId().slice(0, 8));
  }

  /**
   * Opens the files of a partial, or makes them, and hashes what the bitmap claims. The bitmap is cleared only when
   * new files are there: until then it may be all that is known of those on a disk that is away.
   */
  async #openPartial(
    root: CID,
    manifest: Manifest,
    download: Download,
    options: ResumeOptions,
    how: 'resume' | 'restart' | 'new',
  ): Promise<LiveDownload> {
    const isNew = how === 'new';
    const bitmap = await BitmapFile.open(this.#catalog.folder.bitmapPath(root), manifest.chunkCount);
    const claimed = isNew ? 0 : bytesOf(bitmap.claims(), manifest);
    try {
      const found = isNew ? 'none' : await this.#adopt(download.partial, manifest, options.signal);
      if (found === 'none' && how === 'resume' && claimed > 0)
        throw partialGone(download.partial, root.toString());
      if (found !== 'adopted') {
        if (!isNew) await checkSpace(dirname(download.partial), manifest.size, root.toString());
        await makeTree(download.partial, manifest, 'create', this.#catalog.small.workers, options.signal);
        await bitmap.reset();
      }
    } catch (error) {
      await bitmap.close();
      if (isNew) await deleteTree(download.partial).catch(() => {});
      throw error;
    }
    const partial = this.#newPartial(root, manifest, download.partial, bitmap);
    try {
      await partial.check(options.signal, options.onCheck);
    } catch (error) {
      await partial.close();
      throw error;
    }
    const bytesDamaged = claimed - partial.bytesHere;
    if (bytesDamaged > 0) {
      this.#log(
        'warn',
        `${bytesDamaged} bytes of the unfinished download ${download.partial} were damaged or missing and will be fetched again`,
      );
    }
    const live: LiveDownload = {
      partial,
      path: download.path,
      placed: undefined,
      users: 1,
      bytesDamaged,
    };
    this.#live.set(root.toString(), live);
    return live;
  }

  /** Takes over the files of an earlier run; what is not as it was left there is deleted. */
  async #adopt(
    base: string,
    manifest: Manifest,
    signal?: AbortSignal,
  ): Promise<'adopted' | 'deleted' | 'none'> {
    const there = await lstatOrUndefined(base);
    if (!there) return 'none';
    try {
      if (there.isDirectory() !== (manifest.type === 'directory'))
        throw new ShoalError('ERR_PARTIAL_TAMPERED', base);
      await makeTree(base, manifest, 'adopt', this.#catalog.small.workers, signal);
      return 'adopted';
    } catch (error) {
      if (!(error instanceof ShoalError) || error.code !== 'ERR_PARTIAL_TAMPERED') throw error;
      this.#log('warn', `the unfinished download in ${base} is not as it was left, and is begun again`);
      await deleteTree(base);
      return 'deleted';
    }
  }

  #newPartial(root: CID, manifest: Manifest, base: string, bitmap: BitmapFile): Partial {
    let noted = 0;
    return new Partial({
      manifest,
      base,
      bitmap,
      pool: this.#catalog.pool,
      small: this.#catalog.small,
      seals: this.#catalog.seals,
      onBytesHere: (bytes) => {
        const entry = this.#catalog.entry(root);
        if (entry?.download) entry.download.bytesHere = bytes;
        if (bytes - noted < NOTE_BYTES) return;
        noted = bytes;
        void this.#noteBytesHere(root, bytes);
      },
    });
  }

  /** Writes what is on this machine already: the one chunk that is its own root, and chunks of valid places. */
  async #fill(root: CID, manifest: Manifest, live: LiveDownload, options: DownloadOptions): Promise<void> {
    const base = live.partial.base;
    await checkSpace(dirname(base), live.partial.bytesMissing(), root.toString());
    if (root.code === RAW_CODE && manifest.chunkCount === 1) {
      const bytes = await this.#catalog.getNode(root, root).catch(() => undefined);
      const chunk = bytes && (await VerifiedChunk.verify(root.multihash.digest, bytes));
      if (chunk) await live.partial.write(0, chunk);
    }
    if (live.partial.isFull) return;
    const place = await this.#catalog
      .openPlace(root, manifest, { signal: options.signal })
      .catch((error: unknown) => {
        options.signal?.throwIfAborted();
        this.#log('info', `nothing is copied on this machine: ${String(error)}`);
      });
    if (!place) return;
    try {
      await copyChunks(manifest, place, live.partial, options);
    } finally {
      await place.close();
    }
  }

  /** @returns whether everything that lies at the target is the asset: then that is its place now */
  async #adoptTarget(
    root: CID,
    manifest: Manifest,
    download: Download,
    options: ResumeOptions,
  ): Promise<boolean> {
    const { folder } = this.#catalog;
    const base = download.path ?? folder.contentPath(root);
    // Without content there is nothing to know it by.
    if (manifest.chunkCount === 0) return false;
    const bitmap = await BitmapFile.open(folder.bitmapPath(root), manifest.chunkCount);
    const partial = this.#newPartial(root, manifest, base, bitmap);
    let stamps: FileStamps | undefined;
    try {
      // Something else may lie there while the partial's disk is away: its bitmap stays as it is.
      if (!bitmap.claims().isFull) return false;
      stamps = await partial.stampsIfWhole(options.signal, options.onCheck);
    } catch (error) {
      options.signal?.throwIfAborted();
      this.#log('info', `${base} is not what was downloaded: ${String(error)}`);
      return false;
    } finally {
      await partial.close();
    }
    if (!stamps) return false;
    await commitPlace(this.#catalog, this.#log, manifest, download.path, stamps);
    await isDeleted(this.#log, folder.bitmapPath(root));
    await deleteReplaced(this.#catalog, this.#log, root);
    return true;
  }
}

/** What keeps a partial from being used now, and perhaps not later: it would be deleted for that when another is begun. */
const MAY_PASS: ReadonlySet<string> = new Set([
  'ERR_ACCESS',
  'ERR_DISK_FULL',
  'ERR_IO',
  'ERR_TOO_MANY_FILES',
]);

function mayPass(error: unknown): error is ShoalError {
  return error instanceof ShoalError && MAY_PASS.has(error.code);
}

function cannotMove(partial: string, error: ShoalError): ShoalError {
  return new ShoalError(
    error.code,
    `the unfinished download ${partial} cannot be used for another target now, and stays as it is: ${error.message}. Try again, or delete that to begin anew`,
    { cause: error },
  );
}

function bytesOf(chunks: Bitfield, manifest: Manifest): number {
  let bytes = 0;
  for (let chunk = 0; chunk < chunks.size; chunk++) if (chunks.has(chunk)) bytes += manifest.chunkSize(chunk);
  return bytes;
}
