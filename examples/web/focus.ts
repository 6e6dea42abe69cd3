import { at } from './elements.ts';

/** Headings of what is looked at, the first that can be seen. */
const HEADINGS = ['problem-title', 'asset-name', 'shared-name', 'start-title'];

let last: Element | undefined;
addEventListener('focusin', ({ target }) => {
  if (target instanceof Element) last = target;
});

/**
 * Whoever goes by keyboard, or hears the page, stays where something happens: where what had the focus is gone, the heading
 * of what came in its place has it.
 *
 * @param nearest has it in place of that heading
 */
export function keepFocus(nearest?: HTMLElement): void {
  const { activeElement, body } = document;
  // Browsers take the focus from what is hidden a moment later.
  const isSomewhere = activeElement !== null && activeElement !== body && activeElement.checkVisibility();
  if (isSomewhere || !last || last.checkVisibility()) return;
  const heading = HEADINGS.map((id) => at(id)).find((each) => each.checkVisibility());
  if (heading) heading.tabIndex = -1;
  (nearest ?? heading)?.focus({ preventScroll: nearest === undefined });
}
