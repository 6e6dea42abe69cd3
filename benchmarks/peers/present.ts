/** What is looked for before anything is measured. */
export interface Findable {
  readonly name: string;
  /** @throws Error with a sentence that says what to install, where it cannot run here */
  version(): Promise<string>;
}

/**
 * The systems asked for that can run here; tells of each its version, or what is missing.
 * @param names empty: all that are known
 * @throws Error where a name is not known
 */
export async function present<T extends Findable>(
  known: readonly T[],
  names: readonly string[],
  tell: (line: string) => void,
): Promise<T[]> {
  const unknown = names.find((name) => known.every((system) => system.name !== name));
  if (unknown !== undefined)
    throw new Error(
      `there is no system "${unknown}"; known are ${known.map((each) => each.name).join(', ')}`,
    );
  const found: T[] = [];
  for (const system of known) {
    if (names.length > 0 && !names.includes(system.name)) continue;
    try {
      tell(`${system.name}: ${await system.version()}`);
      found.push(system);
    } catch (error) {
      tell(`${system.name}: left out. ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return found;
}
