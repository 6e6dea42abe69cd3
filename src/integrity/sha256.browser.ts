/** SHA-256 of `bytes` by the browser, off the page's thread: the bytes are copied at the call. Needs a secure context. */
export async function digestOf(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}
