import type { Page } from 'playwright-core';

/** Each second of {@link madeVideo} has one shade of grey, so many steps brighter than the one before. */
export const SHADE_STEP = 20;

const WIDTH = 320;
const HEIGHT = 240;
const FRAMES_PER_SEC = 10;

/**
 * A WebM film that can be sought in (it has cues), drawn and encoded by the page's own VP8 encoder: ten frames a second, each
 * a key frame with noise in its lower half; the upper half is grey, brighter with each second. About 450 kB a second.
 *
 * @param seconds at most 12
 * @param times it is repeated
 */
export async function madeVideo(page: Page, seconds: number, times = 1): Promise<Uint8Array> {
  const texts = await page.evaluate(encodeFrames, {
    width: WIDTH,
    height: HEIGHT,
    framesPerSec: FRAMES_PER_SEC,
    count: seconds * FRAMES_PER_SEC,
    step: SHADE_STEP,
  });
  const frames = texts.map((text) => Buffer.from(text, 'base64'));
  return webm(Array.from({ length: times }, () => frames).flat());
}

/** Runs in the page. @returns the frames, each in base64 */
async function encodeFrames(film: {
  width: number;
  height: number;
  framesPerSec: number;
  count: number;
  step: number;
}): Promise<string[]> {
  const { width, height, framesPerSec, count, step } = film;
  const canvas = new OffscreenCanvas(width, height);
  const draw = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  const frames: string[] = [];
  const failed = Promise.withResolvers<never>();
  const encoder = new VideoEncoder({
    output: (chunk) => {
      const bytes = new Uint8Array(chunk.byteLength);
      chunk.copyTo(bytes);
      let text = '';
      for (const byte of bytes) text += String.fromCharCode(byte);
      frames.push(btoa(text));
    },
    error: failed.reject,
  });
  encoder.configure({ codec: 'vp8', width, height, bitrate: 8_000_000, framerate: framesPerSec });
  const noise = draw.createImageData(width, height / 2);
  for (let at = 0; at < count; at++) {
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
  return frames;
}

/** An element of EBML (RFC 8794), with a size of eight bytes. @param id in hexadecimal */
function element(id: string, ...content: readonly Uint8Array[]): Buffer {
  const size = number(content.reduce((sum, part) => sum + part.byteLength, 0));
  size[0] = 1;
  return Buffer.concat([Buffer.from(id, 'hex'), size, ...content]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function float(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes;
}

/** Puts VP8 key frames into a Matroska container (RFC 9559), each in a cluster of its own, with cues before them. */
function webm(frames: readonly Uint8Array[]): Buffer {
  const timeOf = (at: number): number => (at * 1000) / FRAMES_PER_SEC;
  const header = element(
    '1a45dfa3',
    ...[element('4286', number(1)), element('42f7', number(1)), element('42f2', number(4))],
    ...[element('42f3', number(8)), element('4282', Buffer.from('webm')), element('4287', number(4))],
    element('4285', number(2)),
  );
  const info = element(
    '1549a966',
    ...[element('2ad7b1', number(1_000_000)), element('4489', float(timeOf(frames.length)))],
    ...[element('4d80', Buffer.from('test')), element('5741', Buffer.from('test'))],
  );
  const video = element('e0', element('b0', number(WIDTH)), element('ba', number(HEIGHT)));
  const track = element(
    'ae',
    ...[element('d7', number(1)), element('73c5', number(1)), element('83', number(1))],
    ...[element('86', Buffer.from('V_VP8')), video],
  );
  const tracks = element('1654ae6b', track);
  const clusters = frames.map((frame, at) =>
    element(
      '1f43b675',
      element('e7', number(timeOf(at))),
      element('a3', Buffer.from([0x81, 0, 0, 0x80]), frame),
    ),
  );
  const cues = (positions: readonly number[]): Buffer =>
    element(
      '1c53bb6b',
      ...positions.map((position, at) => {
        const place = element('b7', element('f7', number(1)), element('f1', number(position)));
        return element('bb', element('b3', number(timeOf(at))), place);
      }),
    );
  // Numbers have one size, so that the cues' is known before the positions in them.
  let position = info.byteLength + tracks.byteLength + cues(clusters.map(() => 0)).byteLength;
  const positions = clusters.map((cluster) => (position += cluster.byteLength) - cluster.byteLength);
  return Buffer.concat([header, element('18538067', info, tracks, cues(positions), ...clusters)]);
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
