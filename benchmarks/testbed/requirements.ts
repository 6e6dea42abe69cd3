import { accessSync, constants, readdirSync, statfsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What the test bed looks at to see whether it can run. */
export interface Machine {
  platform: string;
  /** Effective user id. */
  uid: number | undefined;
  hasProgram: (name: string) => boolean;
  /** Whether namespaces can be kept and interfaces seen. */
  hasNetworkFolder: boolean;
  shmFreeBytes: number;
}

/** This one. */
export function thisMachine(): Machine {
  return {
    platform: process.platform,
    uid: process.geteuid?.(),
    hasProgram,
    hasNetworkFolder: isThere(() => readdirSync('/sys/class/net')),
    shmFreeBytes: shmFree(),
  };
}

/**
 * What is missing for the test bed to run, a sentence each; empty: nothing.
 * @param needs whether a scenario has a round trip, and the bytes of files it puts on tmpfs
 */
export function missing(machine: Machine, needs: { delayLine: boolean; bytes: number }): string[] {
  if (machine.platform !== 'linux')
    return [`it needs Linux, for network namespaces and traffic shaping; this is ${machine.platform}`];
  const sentences: string[] = [];
  if (machine.uid !== 0) sentences.push('it needs root, to make network namespaces: run it with sudo');
  if (!machine.hasProgram('ip') || !machine.hasProgram('tc'))
    sentences.push('it needs the programs ip and tc: apt-get install iproute2');
  if (!machine.hasNetworkFolder)
    sentences.push('it reads counters in /sys/class/net, which is not there: mount sysfs');
  if (needs.delayLine && !machine.hasProgram('cc'))
    sentences.push(
      'a scenario with a round trip needs a C compiler for the delay line: apt-get install gcc libc6-dev',
    );
  if (machine.shmFreeBytes < needs.bytes)
    sentences.push(
      `it needs ${Math.ceil(needs.bytes / 1e6)} MB on /dev/shm, and ${Math.floor(machine.shmFreeBytes / 1e6)} MB are free`,
    );
  return sentences;
}

function hasProgram(name: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => isThere(() => accessSync(join(folder, name), constants.X_OK)));
}

function isThere(look: () => unknown): boolean {
  try {
    look();
    return true;
  } catch {
    return false;
  }
}

function shmFree(): number {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm');
    return bavail * bsize;
  } catch {
    return 0;
  }
}
