import type { ProgressEvent } from '../daemon/job.ts';
import { count, formatBytes, formatDuration, formatRate, shortPeer } from './format.ts';

/** The bar grows with the window up to this; beyond, it tells no more. */
const MAX_BAR_WIDTH = 30;

/** A bar of fewer cells says less than the percentage next to it. */
const MIN_BAR_WIDTH = 8;

/** The sources that are named; the rest are in the number of peers. */
const TOP_SOURCES = 3;

/**
 * One line that says how far a download is: percent, bar, amount, speed, time left, peers, and the share of each
 * top source. What does not fit is left out, the least needed first; it is never wider than the window.
 *
 * @param width columns of the terminal
 */
export function progressLine(progress: ProgressEvent, width: number): string {
  const { bytes, total } = progress;
  if (progress.phase === 'searching')
    return fit(['Looking for peers that have it', `(${count(progress.peers, 'peer')})`], width);
  const percent = `${String(percentOf(bytes, total)).padStart(3)} %`;
  if (progress.phase === 'checking') return fit([`Checking what is here ${percent}`], width);
  const amount = `${formatBytes(bytes)} of ${formatBytes(total)}`;
  const parts = [
    percent,
    formatRate(progress.bytesPerSec),
    amount,
    `${timeLeft(progress)} left`,
    count(progress.peers, 'peer'),
    sourcesText(progress),
  ];
  const text = fit(
    parts.filter((part) => part !== ''),
    width - MIN_BAR_WIDTH - 2,
  );
  const space = Math.min(MAX_BAR_WIDTH, width - text.length - 2);
  if (space < MIN_BAR_WIDTH || !text.startsWith(percent)) return fit(parts, width);
  return `${percent} ${bar(bytes, total, space)}${text.slice(percent.length)}`;
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

/** `…Ab12Cd 61 %, …Ef34Gh 39 %`: where the bytes came from, those that gave most first. */
export function sourcesText(progress: Pick<ProgressEvent, 'sources'>): string {
  const sum = progress.sources.reduce((bytes, source) => bytes + source.bytes, 0);
  if (sum === 0) return '';
  return progress.sources
    .slice(0, TOP_SOURCES)
    .map(({ peer, bytes }) => `${shortPeer(peer)} ${percentOf(bytes, sum)} %`)
    .join(', ');
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
