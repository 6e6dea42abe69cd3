import { ShoalError } from '../errors.ts';
import type { Manifest, ManifestSymlink } from '../integrity/manifest.ts';
import { caseCollisions, isPortableName, isSafeName } from '../integrity/safe-name.ts';

/**
 * Checks all names before anything is written. The manifest has done so for what is dangerous anywhere; it is done
 * again here, where files are made, and on Windows for what is dangerous there. (Browsers go by Windows' rules everywhere.)
 *
 * @throws ERR_UNSAFE_NAME; ERR_UNSAFE_LINK where the asset itself is a link that {@link isInsideLink} refuses
 */
export function checkNames(manifest: Manifest, platform: NodeJS.Platform = process.platform): void {
  const isAllowed = platform === 'win32' ? isPortableName : isSafeName;
  for (const entry of manifest.entries) {
    const name = entry.path.at(-1);
    if (name !== undefined && !isAllowed(name)) {
      throw new ShoalError(
        'ERR_UNSAFE_NAME',
        `the asset has an entry ${JSON.stringify(entry.path.join('/'))}, a name that this system cannot store safely; its publisher must rename it`,
        { fault: 'none' },
      );
    }
    if (entry.type === 'symlink' && entry.path.length === 0 && !isInsideLink(entry)) {
      throw new ShoalError(
        'ERR_UNSAFE_LINK',
        `the asset is a symbolic link to ${JSON.stringify(entry.target)}, outside of its folder, and is not made; "ln -s" can make it`,
        { fault: 'none' },
      );
    }
  }
}

/** @throws ERR_NAME_COLLISION, for a file system whose names ignore case and Unicode form */
export function checkCollisions(manifest: Manifest): void {
  const [first] = caseCollisions(manifest.entries);
  if (!first) return;
  throw new ShoalError(
    'ERR_NAME_COLLISION',
    `${JSON.stringify(first.path)} and ${JSON.stringify(first.collidesWith)} are one name on this file system; save the asset to one that tells them apart`,
    { fault: 'none' },
  );
}

/**
 * Whether a link surely leads to a place inside the asset: relative, with `..` only at its beginning and no more of
 * them than there are folders above it. `..` after a name is refused, because that name can be a link, whose parent
 * is somewhere else. A store never makes other links: whoever follows them later would leave the asset's folder.
 */
export function isInsideLink({ path, target }: Pick<ManifestSymlink, 'path' | 'target'>): boolean {
  if (target === '' || /[\0\\]/.test(target) || target.startsWith('/') || /^[a-z]:/i.test(target))
    return false;
  let up = 0;
  let isBelowName = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') isBelowName = true;
    else if (isBelowName) return false;
    else up++;
  }
  return up <= Math.max(0, path.length - 1);
}
