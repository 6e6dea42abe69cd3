import { shoalSystem } from './shoal-system.ts';
import type { System } from './system.ts';

/** Finds systems by name. The peers' runners are loaded only when named, since they have packages of their own. */
export async function findSystems(names: readonly string[]): Promise<System[]> {
  const known: System[] = [shoalSystem];
  if (names.some((name) => name !== shoalSystem.name)) known.push(...(await peerSystems()));
  return names.map((name) => {
    const found = known.find((system) => system.name === name);
    if (!found)
      throw new Error(
        `there is no system "${name}"; known are ${known.map((system) => system.name).join(', ')}`,
      );
    return found;
  });
}

async function peerSystems(): Promise<readonly System[]> {
  const path = '../peers/systems.ts';
  const loaded = (await import(path)) as { peerSystems: readonly System[] };
  return loaded.peerSystems;
}
