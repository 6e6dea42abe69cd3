import { bases } from 'multiformats/basics';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { ShoalError } from '../errors.ts';

/** Multicodec of a block of plain bytes: a leaf. */
export const RAW_CODE = 0x55;
/** Multicodec of an interior node. */
export const DAG_PB_CODE = 0x70;
/** Multihash code of sha2-256. */
export const SHA256_CODE = 0x12;

/** A CID with sha2-256 takes 36 bytes; base2, the longest base there is, needs 289 characters for it. */
const MAX_CID_TEXT = 512;

/** The CIDv1 of a block with that codec and sha2-256 digest (32 bytes, kept, not copied). */
export function cidOf(codec: typeof RAW_CODE | typeof DAG_PB_CODE, digest: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA256_CODE, digest));
}

/**
 * Reads a CID that a person typed or pasted, in any multibase (base32, base58btc, base36, base64url …).
 *
 * @throws ERR_INVALID_CID where the text is no CID at all, ERR_UNSUPPORTED_CID where it is one that Shoal does not
 * speak: only CIDv1 with sha2-256 and the codecs raw and dag-pb name an asset
 */
export function parseCid(text: string): CID {
  const cid = decodeCid(text);
  const problem = unsupported(cid);
  if (problem !== undefined) {
    throw new ShoalError(
      'ERR_UNSUPPORTED_CID',
      `${text} is ${problem}; Shoal takes CIDv1 with sha2-256 and codec raw or dag-pb`,
    );
  }
  return cid;
}

function decodeCid(given: string): CID {
  // An application in JavaScript may pass what a variable happens to be.
  if (typeof given !== 'string') {
    throw new ShoalError(
      'ERR_INVALID_CID',
      `a CID is given as text, such as bafybei… or bafkrei…, and not as ${typeof given}`,
    );
  }
  const text = given.trim();
  const short = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  if (text.length > MAX_CID_TEXT) throw new ShoalError('ERR_INVALID_CID', `"${short}" is too long for a CID`);
  try {
    if (text.startsWith('Qm')) return CID.parse(text);
    const base = Object.values(bases).find(({ prefix }) => text.startsWith(prefix));
    if (!base) throw new Error('unknown multibase prefix');
    return CID.decode(base.decoder.decode(text));
  } catch (cause) {
    throw new ShoalError(
      'ERR_INVALID_CID',
      `"${short}" is not a CID; it should look like bafybei… or bafkrei… and be copied whole`,
      { cause },
    );
  }
}

function unsupported(cid: CID): string | undefined {
  if (cid.version !== 1) {
    return 'a CIDv0, whose content keeps its leaves in an older form (publish it again with `shoal share` or `ipfs add --cid-version 1`)';
  }
  if (cid.multihash.code !== SHA256_CODE || cid.multihash.digest.byteLength !== 32) {
    return `a CID with multihash 0x${cid.multihash.code.toString(16)} of ${cid.multihash.digest.byteLength} bytes`;
  }
  if (cid.code !== RAW_CODE && cid.code !== DAG_PB_CODE) return `a CID with codec 0x${cid.code.toString(16)}`;
  return undefined;
}
