import type { Page } from 'playwright-core';

/** Each second of {@link madeVideo} has one shade of grey, of so many steps. */
export const SHADE_STEP = 20;

/**
 * A WebM film that can be sought in (it has cues), drawn and encoded by the page's own VP8 encoder: ten frames a second, each
 * a key frame with noise in its lower half; the upper half is grey, `SHADE_STEP` brighter with each second.
 *
 * @param seconds at most 12
 */
export async function madeVideo(page: Page, seconds: number): Promise<Uint8Array> {
  const text = await page.evaluate(
    async ([seconds, step]) => {
      const [width, height, framesPerSec] = [320, 240, 10];
      const canvas = new OffscreenCanvas(width, height);
      const draw = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
      const frames: Uint8Array[] = [];
      const failed = Promise.withResolvers<never>();
      const encoder = new VideoEncoder({
        output: (chunk) => {
          const bytes = new Uint8Array(chunk.byteLength);
          chunk.copyTo(bytes);
          frames.push(bytes);
        },
        error: failed.reject,
      });
      encoder.configure({ codec: 'vp8', width, height, bitrate: 8_000_000, framerate: framesPerSec });
      const noise = draw.createImageData(width, height / 2);
      for (let at = 0; at < seconds * framesPerSec; at++) {
        const shade = Math.floor(at / framesPerSec) * step;
        draw.fillStyle = `rgb(${shade},${shade},${shade})`;
        draw.fillRect(0, 0, width, height / 2);
        for (let byte = 0; byte < noise.data.length; byte++)
          noise.data[byte] = byte % 4 === 3 ? 255 : Math.random() * 256;
        draw.putImageData(noise, 0, height / 2);
        const frame = new VideoFrame(canvas, { timestamp: (at * 1e6) / framesPerSec });
        encoder.encode(frame, { keyFrame: true });
        frame.close();
      }
      await Promise.race([encoder.flush(), failed.promise]);
      encoder.close();

      // EBML (RFC 8794) and Matroska (RFC 9559): elements with sizes of eight bytes, and numbers of eight.
      const join = (parts: readonly Uint8Array[]): Uint8Array => {
        const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
        let offset = 0;
        for (const part of parts) {
          whole.set(part, offset);
          offset += part.byteLength;
        }
        return whole;
      };
      const number = (value: number): Uint8Array => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
        return bytes;
      };
      const float = (value: number): Uint8Array => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setFloat64(0, value);
        return bytes;
      };
      const name = (value: string): Uint8Array => new TextEncoder().encode(value);
      const element = (id: string, ...content: Uint8Array[]): Uint8Array => {
        const inside = join(content);
        const size = number(inside.byteLength);
        size[0] = 1;
        return join([Uint8Array.from(id.match(/../g) ?? [], (hex) => parseInt(hex, 16)), size, inside]);
      };
      const header = element(
        '1a45dfa3',
        ...[element('4286', number(1)), element('42f7', number(1)), element('42f2', number(4))],
        ...[element('42f3', number(8)), element('4282', name('webm')), element('4287', number(4))],
        element('4285', number(2)),
      );
      const info = element(
        '1549a966',
        ...[element('2ad7b1', number(1_000_000)), element('4489', float(seconds * 1000))],
        ...[element('4d80', name('test')), element('5741', name('test'))],
      );
      const video = element('e0', element('b0', number(width)), element('ba', number(height)));
      const track = element(
        'ae',
        ...[element('d7', number(1)), element('73c5', number(1)), element('83', number(1))],
        ...[element('86', name('V_VP8')), video],
      );
      const tracks = element('1654ae6b', track);
      const clusters = frames.map((frame, at) =>
        element(
          '1f43b675',
          element('e7', number((at * 1000) / framesPerSec)),
          element('a3', Uint8Array.of(0x81, 0, 0, 0x80), frame),
        ),
      );
      const cues = (positions: readonly number[]): Uint8Array =>
        element(
          '1c53bb6b',
          ...positions.map((position, at) => {
            const place = element('b7', element('f7', number(1)), element('f1', number(position)));
            return element('bb', element('b3', number((at * 1000) / framesPerSec)), place);
          }),
        );
      const before = info.byteLength + tracks.byteLength + cues(clusters.map(() => 0)).byteLength;
      let position = before;
      const positions = clusters.map((cluster) => (position += cluster.byteLength) - cluster.byteLength);
      const file = join([header, element('18538067', info, tracks, cues(positions), ...clusters)]);
      return new Promise<string>((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve((reader.result as string).split(',')[1] ?? '');
        reader.readAsDataURL(new Blob([file as Uint8Array<ArrayBuffer>]));
      });
    },
    [seconds, SHADE_STEP] as const,
  );
  return Buffer.from(text, 'base64');
}

/** A WAV file (PCM, mono, 16 bits, 8 kHz) of noise: 16,000 bytes a second. */
export function madeSound(seconds: number): Uint8Array {
  const rate = 8000;
  const bytes = Buffer.alloc(44 + seconds * rate * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(bytes.length - 44, 40);
  let x = 1;
  for (let at = 44; at < bytes.length; at += 2) {
    x = (x * 1_103_515_245 + 12_345) & 0x7fffffff;
    bytes.writeInt16LE((x >> 16) & 0x7fff, at);
  }
  return bytes;
}
