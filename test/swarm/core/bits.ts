import { Bitfield } from '../../../src/swarm/core/bitfield.ts';

/** A bitfield as a string: `x` is set, anything else is clear. */
export function bits(text: string): Bitfield {
  const field = new Bitfield(text.length);
  [...text].forEach((char, i) => char === 'x' && field.set(i));
  return field;
}
