import { fluidBoundMs } from './fluid-bound.ts';
import type { Outcome } from './outcome.ts';

const PANEL = { width: 420, height: 260, left: 48, right: 16, top: 34, bottom: 40 };

/** Panels side by side; more go below. */
const PER_ROW = 3;

/** Colours that people with colour blindness tell apart (Okabe and Ito): progress, completions, origin, bound. */
const COLOURS = {
  progress: '#0072B2',
  complete: '#009E73',
  origin: '#E69F00',
  bound: '#D55E00',
  event: '#777777',
};

const LEGEND = [
  ['progress', 'mean progress'],
  ['complete', 'peers complete'],
  ['origin', 'origin sent (top: the files on the right)'],
  ['bound', 'fluid bound'],
  ['event', 'events'],
] as const;

/**
 * A plot of runs beside each other: mean progress, completions and what the origins sent over time, with the
 * fluid bound as a line and the scenario's events.
 */
export function plotSvg(outcomes: readonly Outcome[]): string {
  const columns = Math.min(PER_ROW, Math.max(1, outcomes.length));
  const width = columns * PANEL.width;
  const height = Math.ceil(outcomes.length / columns) * PANEL.height + 30;
  const panels = outcomes.map((outcome, i) => {
    const [x, y] = [(i % columns) * PANEL.width, Math.floor(i / columns) * PANEL.height];
    return `<g transform="translate(${x} ${y})">\n${panel(outcome)}\n</g>`;
  });
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...panels,
    legend(height - 14, columns),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function panel(outcome: Outcome): string {
  const { scenario, seed, timeline, endedMs } = outcome;
  const boundMs = fluidBoundMs(scenario);
  const spanMs = Math.max(endedMs, Number.isFinite(boundMs) ? boundMs : 0, 1) * 1.02;
  const [plotWidth, plotHeight] = [
    PANEL.width - PANEL.left - PANEL.right,
    PANEL.height - PANEL.top - PANEL.bottom,
  ];
  const x = (ms: number): string => (PANEL.left + (ms / spanMs) * plotWidth).toFixed(1);
  const y = (share: number): string => (PANEL.top + (1 - share) * plotHeight).toFixed(1);
  const line = (colour: keyof typeof COLOURS, values: readonly number[]): string => {
    const points = values.map((value, i) => `${x(timeline[i]?.atMs ?? 0)},${y(value)}`).join(' ');
    return `<polyline fill="none" stroke="${COLOURS[colour]}" stroke-width="1.6" points="${points}"/>`;
  };
  const upright = (ms: number, colour: string, dashes: string): string =>
    `<line x1="${x(ms)}" x2="${x(ms)}" y1="${y(0)}" y2="${y(1)}" stroke="${colour}" stroke-dasharray="${dashes}"/>`;
  const peers = outcome.peers.filter(({ group }) => group.role === 'peer' && group.strategy === 'honest');
  const files = Math.max(1, ...timeline.map((sample) => sample.originBytes / scenario.fileBytes));
  const shown = outcome.eventsMs.flatMap((atMs, i) =>
    atMs === undefined ? [] : [{ atMs, lastsMs: (scenario.events[i]?.forSec ?? 0) * 1000 }],
  );
  return [
    `<text x="${PANEL.left}" y="15" font-size="13">${escapeXml(shorten(scenario.name))}, seed ${seed}</text>`,
    axes(spanMs, x, y),
    ...shown.map(
      ({ atMs, lastsMs }) =>
        `<rect x="${x(atMs)}" y="${y(1)}" width="${(Math.min(lastsMs / spanMs, 1 - atMs / spanMs) * plotWidth).toFixed(1)}" height="${plotHeight}" fill="${COLOURS.event}" opacity="0.12"/>`,
    ),
    ...shown.map(({ atMs }) => upright(atMs, COLOURS.event, '2 3')),
    Number.isFinite(boundMs) ? upright(boundMs, COLOURS.bound, '6 3') : '',
    line('origin', timeline.map((sample) => sample.originBytes / scenario.fileBytes / files)), // prettier-ignore
    line('complete', timeline.map((sample) => sample.complete / Math.max(1, peers.length))), // prettier-ignore
    line('progress', timeline.map((sample) => sample.progress)), // prettier-ignore
    `<text x="${PANEL.width - PANEL.right}" y="${PANEL.top - 4}" text-anchor="end" fill="${COLOURS.origin}">${files.toFixed(2)} files</text>`,
  ].join('\n');
}

function axes(spanMs: number, x: (ms: number) => string, y: (share: number) => string): string {
  const stepSec = niceStep(spanMs / 1000 / 6);
  const parts = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${x(0)}" x2="${x(spanMs)}" y1="${y(share)}" y2="${y(share)}" stroke="${share === 0 ? '#444' : '#ddd'}"/>` +
      `<text x="${PANEL.left - 5}" y="${Number(y(share)) + 4}" text-anchor="end">${share * 100} %</text>`,
  );
  for (let sec = 0; sec * 1000 <= spanMs; sec += stepSec) {
    const label = Number(sec.toPrecision(6));
    parts.push(`<text x="${x(sec * 1000)}" y="${Number(y(0)) + 15}" text-anchor="middle">${label} s</text>`);
  }
  return parts.join('\n');
}

function legend(y: number, columns: number): string {
  // One panel has no room for all beside each other: smaller type, and closer.
  const scale = columns === 1 ? 0.72 : 1;
  let at = 12;
  const parts = LEGEND.map(([colour, text]) => {
    const entry = `<rect x="${at}" y="${y - 8}" width="10" height="10" fill="${COLOURS[colour]}"/><text x="${at + 14}" y="${y}" font-size="${11 * scale}">${text}</text>`;
    at += (text.length * 5.6 + 28) * scale;
    return entry;
  });
  return parts.join('\n');
}

/** 1, 2 or 5 times a power of ten, not below `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-3)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power;
}

function shorten(name: string): string {
  return name.length > 44 ? `${name.slice(0, 43)}…` : name;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
