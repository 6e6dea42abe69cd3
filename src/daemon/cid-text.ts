/** The CID in what a person pasted: a link's, or the text itself. Whether it is one is for the SDK to say. */
export function cidOf(text: string): string {
  return /^shoal:(?:\/\/)?([^?]*)/i.exec(text.trim())?.[1] ?? text.trim();
}

/** Whether a text looks like a CID or a link and not like a path: CIDv1 in base32, base36 or base58, or CIDv0. */
export function looksLikeCid(text: string): boolean {
  return (
    /^shoal:/i.test(text) ||
    /^(b[a-z2-7]{50,}|B[A-Z2-7]{50,}|k[a-z0-9]{45,}|z[1-9A-Za-z]{45,}|Qm[1-9A-Za-z]{44})$/.test(text)
  );
}
