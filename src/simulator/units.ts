/** How a kind of value is written in a scenario file. */
export interface Unit<T> {
  /** What is allowed, for error messages: "a rate such as 20 Mbit/s". */
  readonly allowed: string;
  /** The value, or undefined where what is written is none of this kind. */
  read(written: unknown): T | undefined;
}

const KIB = 1024;

const SIZES = new Map([
  ['B', 1],
  ['kB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KiB', KIB],
  ['MiB', KIB ** 2],
  ['GiB', KIB ** 3],
  ['TiB', KIB ** 4],
]);

const BIT_RATES = new Map([
  ['bit/s', 1],
  ['kbit/s', 1e3],
  ['Mbit/s', 1e6],
  ['Gbit/s', 1e9],
]);

const BYTE_RATES = new Map([...SIZES].map(([unit, factor]) => [`${unit}/s`, factor]));

const TIMES_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['min', 60_000],
]);

const NUMBER = String.raw`\d+(?:\.\d+)?`;

function withUnit(
  factors: ReadonlyMap<string, number>,
  allowed: string,
  least: number,
  most: number,
): Unit<number> {
  const pattern = new RegExp(String.raw`^(${NUMBER})\s*(\S+)$`);
  return {
    allowed,
    read(written) {
      const match = typeof written === 'string' ? pattern.exec(written.trim()) : null;
      const factor = factors.get(match?.[2] ?? '');
      if (!match || factor === undefined) return undefined;
      const value = Number(match[1]) * factor;
      return value >= least && value <= most ? value : undefined;
    },
  };
}

/** Bytes of a file. */
export const fileSize: Unit<number> = {
  ...withUnit(SIZES, 'a size from 1 B to 1 TiB, such as 64 MiB', 1, KIB ** 4),
};

/** Bytes of a chunk: the sizes that an import can choose. */
export const chunkSize: Unit<number> = {
  allowed: 'a power of two from 1 KiB to 1 MiB, such as 64 KiB',
  read(written) {
    const bytes = fileSize.read(written);
    const isPower = bytes !== undefined && Number.isInteger(Math.log2(bytes));
    return isPower && bytes >= KIB && bytes <= KIB ** 2 ? bytes : undefined;
  },
};

/** Bits per second. */
export const bitRate: Unit<number> = withUnit(
  BIT_RATES,
  'a rate from 1 bit/s to 1000 Gbit/s, such as 20 Mbit/s',
  1,
  1e12,
);

/** Bytes per second of a disk. */
export const diskRate: Unit<number> = withUnit(
  BYTE_RATES,
  'bytes per second, such as 5 MB/s (without the key it writes at once)',
  1,
  1e12,
);

/** A day: longer runs are mistakes. */
const LONGEST_MS = 86_400_000;

/** Milliseconds. */
export const milliseconds: Unit<number> = withUnit(
  TIMES_MS,
  'a time up to 24 hours, such as 150 ms or 5 s',
  0,
  LONGEST_MS,
);

/** Seconds. */
export const seconds: Unit<number> = {
  allowed: milliseconds.allowed,
  read(written) {
    const ms = milliseconds.read(written);
    return ms === undefined ? undefined : ms / 1000;
  },
};

/** Seconds, more than none. */
export const someSeconds: Unit<number> = {
  allowed: 'a time of more than 0 s up to 24 hours, such as 20 s',
  read: (written) => seconds.read(written) || undefined,
};

function range(one: Unit<number>, allowed: string): Unit<readonly [number, number]> {
  const pattern = new RegExp(String.raw`^(${NUMBER})\s*-\s*(${NUMBER}\s*\S+)$`);
  return {
    allowed,
    read(written) {
      const single = one.read(written);
      if (single !== undefined) return [single, single];
      const match = typeof written === 'string' ? pattern.exec(written.trim()) : null;
      if (!match) return undefined;
      const most = one.read(match[2]);
      const least = one.read(`${match[1]} ${/\D+$/.exec(match[2] ?? '')?.[0].trim()}`);
      return least !== undefined && most !== undefined && least <= most ? [least, most] : undefined;
    },
  };
}

/** A round trip, or from where to where round trips are drawn, ms. */
export const roundTrips: Unit<readonly [number, number]> = range(
  withUnit(TIMES_MS, '', 0, 60_000),
  'a round trip or a range of them up to 60 s, such as 0.2 ms or 20-150 ms',
);

/** A moment, or a time over which something is spread, seconds. */
export const joinTimes: Unit<readonly [number, number]> = range(
  seconds,
  'a time or a range of times up to 24 hours, such as 40 s or 0-30 s',
);

/** A part of a whole, 0 to `most`. */
export function share(most: number): Unit<number> {
  const pattern = new RegExp(String.raw`^(${NUMBER})\s*%$`);
  return {
    allowed: `a share from 0 to ${most * 100} %, such as ${most === 1 ? 20 : 0.1} %`,
    read(written) {
      const match = typeof written === 'string' ? pattern.exec(written.trim()) : null;
      const value = match ? Number(match[1]) / 100 : written === 0 ? 0 : undefined;
      return value !== undefined && value <= most ? value : undefined;
    },
  };
}

/** A whole number. */
export function wholeNumber(least: number, most: number): Unit<number> {
  return {
    allowed: `a whole number from ${least} to ${most}`,
    read: (written) =>
      typeof written === 'number' && Number.isInteger(written) && written >= least && written <= most
        ? written
        : undefined,
  };
}

/** `true` or `false`. */
export const yesOrNo: Unit<boolean> = {
  allowed: 'true or false',
  read: (written) => (typeof written === 'boolean' ? written : undefined),
};

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): Unit<T> {
  return { allowed: words.join(', '), read: (written) => words.find((word) => word === written) };
}

/** A name of a group: letters, digits and dashes, so that it can be a network namespace's or a label. */
export const groupName: Unit<string> = {
  allowed: 'a name of up to 32 letters, digits, "-" and "_"',
  read: (written) =>
    typeof written === 'string' && /^[A-Za-z0-9_-]{1,32}$/.test(written) ? written : undefined,
};

/** A sentence. */
export const sentence: Unit<string> = {
  allowed: 'text on one line',
  read: (written) =>
    typeof written === 'string' && written.length <= 500 && !written.includes('\n') ? written : undefined,
};
