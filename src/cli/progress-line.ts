import type { ProgressEvent } from '../daemon/job.ts';
import { count, formatBytes, formatDuration, formatRate, shortPeer } from './format.ts';

/** The bar grows with the window up to this; beyond, it tells no more. */
const MAX_BAR_WIDTH = 30;

/** A shorter bar, in eighths of a cell as it is drawn, says less than the percentage next to it. */
const MIN_BAR_WIDTH = 4;

/** The sources that are named; of the rest, their number is. */
const TOP_SOURCES = 3;

/**
 * One line that says how far a download is: percent, bar, speed, amount, time left, peers, and the share of each
 * top source. Where the window is narrow the bar gets shorter first; then the amount is left out, then sources one
 * by one, the bar, and the rest from the right. It is never wider than the window.
 *
 * @param width columns of the terminal
 */
export function progressLine(progress: ProgressEvent, width: number): string {
  const { bytes, total } = progress;
  if (progress.phase === 'searching')
    return fit(['Looking for peers that have it', `(${count(progress.peers, 'peer')})`], width);
  const percent = `${String(percentOf(bytes, total)).padStart(3)} %`;
  if (progress.phase === 'checking') return fit([`Checking what is here ${percent}`], width);
  const rate = formatRate(progress.bytesPerSec);
  const amount = `${formatBytes(bytes)} of ${formatBytes(total)}`;
  const least = [`${timeLeft(progress)} left`, count(progress.peers, 'peer')];
  const choices = [[rate, amount, ...least, sourcesText(progress)]];
  for (let named = TOP_SOURCES; named > 0; named--)
    choices.push([rate, ...least, sourcesText(progress, named)]);
  choices.push([rate, ...least]);
  for (const parts of choices) {
    const text = parts.filter((part) => part !== '').join('  ');
    const space = Math.min(MAX_BAR_WIDTH, width - percent.length - text.length - 3);
    if (space >= MIN_BAR_WIDTH) return `${percent} ${bar(bytes, total, space)}  ${text}`;
  }
  return fit([percent, rate, ...least], width);
}

/** Whole percent, rounded down: 100 means all of it. */
export function percentOf(bytes: number, total: number): number {
  return total === 0 ? 100 : Math.floor((Math.min(bytes, total) / total) * 100);
}

/** `████▌···` of exactly `width` columns. */
export function bar(bytes: number, total: number, width: number): string {
  const eighths = total === 0 ? width * 8 : Math.floor((Math.min(bytes, total) / total) * width * 8);
  const full = Math.floor(eighths / 8);
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '';
  return `${'█'.repeat(full)}${part}`.padEnd(width, '·');
}

/**
 * `…Ab12Cd 61 %, …Ef34Gh 30 %, +4`: where the bytes came from, those that gave most first.
 *
 * @param named how many are named; of the rest, their number is
 */
export function sourcesText(progress: Pick<ProgressEvent, 'sources'>, named = TOP_SOURCES): string {
  const sum = progress.sources.reduce((bytes, source) => bytes + source.bytes, 0);
  if (sum === 0) return '';
  const parts = progress.sources
    .slice(0, named)
    .map(({ peer, bytes }) => `${shortPeer(peer)} ${percentOf(bytes, sum)} %`);
  const rest = progress.sources.length - parts.length;
  return [...parts, ...(rest > 0 ? [`+${rest}`] : [])].join(', ');
}

function timeLeft({ bytes, total, bytesPerSec }: ProgressEvent): string {
  return bytesPerSec <= 0 ? '?' : formatDuration(((total - bytes) / bytesPerSec) * 1000);
}

/** As many parts, in order, as fit; the first one is cut where even it is too long. */
function fit(parts: readonly string[], width: number): string {
  let text = (parts[0] ?? '').slice(0, Math.max(0, width));
  for (const part of parts.slice(1)) {
    if (text.length + 2 + part.length > width) break;
    text += `  ${part}`;
  }
  return text;
}
