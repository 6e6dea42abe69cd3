import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ChaCha20Poly1305, newInstance } from '@chainsafe/as-chacha20poly1305';
import { digest } from '@chainsafe/as-sha256';
import { build } from 'esbuild';
import { leanNoise } from '../../scripts/lean-noise.ts';

interface Lean {
  newInstance: typeof newInstance;
  ChaCha20Poly1305: typeof ChaCha20Poly1305;
  digest: typeof digest;
}

/** What the bundle has in place of the packages. */
async function bundled(): Promise<Lean> {
  const contents = `export * from '@chainsafe/as-chacha20poly1305'; export * from '@chainsafe/as-sha256';`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    plugins: [leanNoise],
  });
  const text = outputFiles[0]?.text ?? '';
  assert.ok(!text.includes('WebAssembly'));
  return (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as Lean;
}

describe("the bundle's Noise", () => {
  const theirs = new ChaCha20Poly1305(newInstance());
  const [key, nonce, ad] = [randomBytes(32), randomBytes(12), randomBytes(32)];
  let lean: Lean;
  let ours: ChaCha20Poly1305;
  before(async () => {
    lean = await bundled();
    ours = new lean.ChaCha20Poly1305(lean.newInstance());
  });

  for (const size of [0, 1, 48, 1199]) {
    it(`encrypts ${size} bytes as the package does, and reads what that wrote`, () => {
      const plain = randomBytes(size);
      const sealed = theirs.seal(key, nonce, plain, ad);
      assert.deepEqual(Buffer.from(ours.seal(key, nonce, plain, ad)), Buffer.from(sealed));
      assert.deepEqual(Buffer.from(ours.open(key, nonce, sealed, ad) ?? []), plain);
    });
  }

  it('takes nothing that was tampered with, or is too short', () => {
    const sealed = Buffer.from(theirs.seal(key, nonce, randomBytes(48), ad));
    sealed[3] = (sealed[3] ?? 0) ^ 1;
    assert.equal(ours.open(key, nonce, sealed, ad), null);
    assert.equal(ours.open(key, nonce, sealed.subarray(0, 15), ad), null);
  });

  it('hashes as the package does', () => {
    const bytes = randomBytes(100);
    assert.deepEqual(Buffer.from(lean.digest(bytes)), Buffer.from(digest(bytes)));
  });
});
