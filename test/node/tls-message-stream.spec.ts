import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { nativeTls } from '../../src/node/native-tls.ts';
import { isLent, lendToSocket, takeReadMemory } from '../../src/store/sent-memory.ts';
import { readDirectly } from '../../src/swarm/direct-reads.ts';
import { TlsRig, tlsSide } from './tls-rig.ts';

const CHUNK = 256 * 1024 + 64;
const CHUNKS = 48;
const AT_ONCE = 4;

describe('TlsMessageStream', () => {
  it('lets memory be used again only when the peer gets what was in it', async () => {
    await using rig = await TlsRig.create();
    const [a, b] = await rig.securedPair(await tlsSide(nativeTls), await tlsSide(nativeTls));
    const wrong = new Set<number>();
    let received = 0;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    b.addEventListener('message', ({ data }) => {
      for (const byte of data.subarray()) {
        const chunk = Math.floor(received++ / CHUNK);
        if (byte !== chunk + 1) wrong.add(chunk);
      }
      if (received === CHUNKS * CHUNK) resolve();
    });
    let fresh = 0;
    const sent: Uint8Array[] = [];
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const bytes = takeReadMemory(CHUNK, () => fresh++);
      bytes.fill(chunk + 1);
      lendToSocket(bytes);
      a.send(bytes.subarray(0, 1000));
      a.send(bytes.subarray(1000));
      sent.push(bytes);
      for (const oldest = sent[chunk - AT_ONCE]; oldest && isLent(oldest);) await nextTurn();
    }
    await done;
    assert.deepEqual(wrong, new Set());
    assert.ok(fresh < CHUNKS / 2, `${fresh} of ${CHUNKS} were new`);
  });

  it('reads into one buffer, of which it gives copies to whom may keep them', async () => {
    await using rig = await TlsRig.create();
    const [a, b] = await rig.securedPair(await tlsSide(nativeTls), await tlsSide(nativeTls));
    const kept: Uint8Array[] = [];
    const lent = new Set<ArrayBufferLike>();
    let received = 0;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const count = (bytes: number): void => {
      received += bytes;
      if (received === CHUNKS * CHUNK) resolve();
    };
    b.addEventListener('message', ({ data }) => {
      kept.push(...(data instanceof Uint8Array ? [data] : data));
      count(data.byteLength);
      if (received < (CHUNKS * CHUNK) / 2) return;
      readDirectly(b, (bytes) => {
        lent.add(bytes.buffer);
        count(bytes.byteLength);
      });
    });
    for (let chunk = 0; chunk < CHUNKS; chunk++) a.send(new Uint8Array(CHUNK).fill(chunk + 1));
    await done;
    let at = 0;
    for (const byte of Buffer.concat(kept))
      if (byte !== Math.floor(at++ / CHUNK) + 1) assert.fail(`byte ${at} of what was kept`);
    assert.ok(at > 0);
    assert.equal(lent.size, 1);
  });
});
