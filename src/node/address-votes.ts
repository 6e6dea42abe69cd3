/** Witnesses that have to agree: one alone may lie, and make a node drop what works or tell of what does not. */
const AGREEING = 2;

/** What is believed of an address. */
export type Standing = 'reached' | 'unreached';

interface Ballot {
  reached: Set<string>;
  unreached: Set<string>;
}

/**
 * What witnesses say of the addresses from which they see this node, in rounds. An address is reached when two say so, and
 * unreached when two say so and none says the other: who says that it is reached has come in by it, and who says that it is not
 * has only said so. What a round does not settle stays as it was, also where nobody is there to ask.
 */
export class AddressVotes {
  readonly #ballots = new Map<string, Ballot>();
  readonly #standings = new Map<string, Standing>();

  beginRound(): void {
    for (const [address, standing] of this.#standings)
      if (standing === 'unreached' && !this.#ballots.has(address)) this.#standings.delete(address);
    this.#ballots.clear();
  }

  /** What this round has settled of an address. */
  settled(address: string): Standing | undefined {
    const { reached, unreached } = this.#ballots.get(address) ?? EMPTY;
    if (reached.size >= AGREEING) return 'reached';
    return unreached.size >= AGREEING && reached.size === 0 ? 'unreached' : undefined;
  }

  /**
   * A witness sees this node at an address of this family, and so at no other one of it.
   *
   * @param witness who counts as one
   * @returns addresses that stand otherwise than before
   */
  note(witness: string, address: string, standing: Standing): [string, Standing][] {
    this.#vote(witness, address, standing);
    const others = [...this.#standings.keys()].filter(
      (other) => other !== address && family(other) === family(address),
    );
    for (const other of others) this.#vote(witness, other, 'unreached');
    return [address, ...others].flatMap((each): [string, Standing][] => {
      const settled = this.settled(each);
      if (settled === undefined || settled === this.#standings.get(each)) return [];
      this.#standings.set(each, settled);
      return [[each, settled]];
    });
  }

  /** Who votes again, as the node's address may change in a round, takes back what it said. */
  #vote(witness: string, address: string, standing: Standing): void {
    const ballot = this.#ballotOf(address);
    for (const voters of [ballot.reached, ballot.unreached]) voters.delete(witness);
    ballot[standing].add(witness);
  }

  #ballotOf(address: string): Ballot {
    const ballot = this.#ballots.get(address) ?? { reached: new Set(), unreached: new Set() };
    this.#ballots.set(address, ballot);
    return ballot;
  }
}

const EMPTY: Ballot = { reached: new Set(), unreached: new Set() };

function family(address: string): string | undefined {
  return address.split('/', 2)[1];
}
