import { link, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ShoalError } from '../errors.ts';
import type { Manifest } from '../integrity/manifest.ts';
import { lstatOrUndefined } from './file-stamps.ts';
import { isErrno, withFsErrors } from './fs-error.ts';
import { syncFolder } from './sync-folder.ts';

/** What {@link moveIntoPlace} takes. */
export interface MoveOptions {
  type: Manifest['type'];
  /** Replace what is at the target. */
  force: boolean;
  /** Where a folder that is replaced goes meanwhile. */
  asidePath: string;
  /** Notes, durably, that it is there. */
  onAside: () => Promise<void>;
}

/**
 * Checks that a download may end at `target`, before it starts and again before it ends.
 *
 * @throws ERR_TARGET_EXISTS where something is there, unless `force` may replace it: a folder is never replaced by a
 * file, nor a file by a folder; ERR_NOT_FOUND where the folder that is to hold it does not exist
 */
export async function checkTarget(target: string, type: Manifest['type'], force: boolean): Promise<void> {
  const there = await lstatOrUndefined(target);
  if (!there) {
    if (await lstatOrUndefined(dirname(target))) return;
    throw new ShoalError(
      'ERR_NOT_FOUND',
      `${dirname(target)} does not exist; make that folder, or choose another target`,
    );
  }
  if (!force) throw targetExists(target);
  if (there.isDirectory() !== (type === 'directory')) {
    throw new ShoalError(
      'ERR_TARGET_EXISTS',
      `${target} is a ${there.isDirectory() ? 'folder' : 'file'} and the asset is a ${type}; delete it, or choose another target`,
    );
  }
}

/** Puts the finished partial at its target in one step, so that the target is the old one or the whole new one. */
export async function moveIntoPlace(partial: string, target: string, options: MoveOptions): Promise<void> {
  await checkTarget(target, options.type, options.force);
  await withFsErrors('write', target, async () => {
    if (options.type === 'file' && !options.force) await linkIntoPlace(partial, target);
    else if (options.type === 'directory') await moveFolder(partial, target, options);
    else await rename(partial, target);
  });
  await syncFolder(dirname(target));
}

/** `link` fails where the target has appeared meanwhile, which `rename` would replace. */
async function linkIntoPlace(partial: string, target: string): Promise<void> {
  try {
    await link(partial, target);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) throw targetExists(target);
    // A file system without hard links: the check a moment ago has to do.
    await rename(partial, target);
    return;
  }
  await unlink(partial);
}

/** A folder that has appeared meanwhile and has something in it is not replaced by `rename`, and moved aside only by `force`. */
async function moveFolder(partial: string, target: string, options: MoveOptions): Promise<void> {
  if (!options.force || !(await lstatOrUndefined(target))) {
    await rename(partial, target).catch((error: unknown) => {
      throw isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR') ? targetExists(target) : error;
    });
    return;
  }
  await options.onAside();
  await rename(target, options.asidePath);
  try {
    await rename(partial, target);
  } catch (error) {
    await rename(options.asidePath, target);
    throw error;
  }
}

function targetExists(target: string): ShoalError {
  return new ShoalError(
    'ERR_TARGET_EXISTS',
    `${target} already exists; choose another target, or replace it with --force`,
  );
}
