import type { Progress } from 'shoal/browser';
import { at } from './elements.ts';
import { countText, sizeText } from './text.ts';

/** Says how it stands with what is looked at. */
export function say(text: string): void {
  at('asset-state').ariaLive = 'polite';
  at('asset-state').textContent = text;
}

/** Shows how far it is: the bar, and a line that screen readers do not read out each time that it changes. */
export function showProgress(progress: Progress): void {
  const { bytes, total, phase } = progress;
  const bar = at('asset-progress', HTMLProgressElement);
  if (phase === 'searching' && bytes === 0) {
    bar.removeAttribute('value');
    const text = 'Looking for somebody who has it…';
    if (at('asset-state').textContent !== text) say(text);
    return;
  }
  bar.value = total > 0 ? bytes / total : 1;
  const percent = total > 0 ? Math.floor((100 * bytes) / total) : 100;
  at('asset-state').ariaLive = 'off';
  at('asset-state').textContent =
    `${percent} % (${sizeText(bytes)} of ${sizeText(total)})${doingOf(progress)}`;
}

function doingOf({ peers, phase }: Progress): string {
  if (phase === 'checking') return ', checking what is here';
  if (phase === 'searching') return ', nobody gives at the moment; looking for others';
  if (phase === 'writing') return ', writing it to the folder';
  // What is here already comes from nobody.
  return peers === 0 ? '' : `, from ${countText(peers, 'peer')}`;
}
