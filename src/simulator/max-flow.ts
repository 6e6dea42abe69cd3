/** What is left of a flow's edges below this share of the demand is rounding. */
const EPSILON = 1e-9;

/**
 * A network of nodes and edges with capacities, and the most that flows from one node to another (Dinic's
 * algorithm, on fractions). Small ones only: a few hundred edges.
 */
export class MaxFlow {
  readonly #heads: number[] = [];
  readonly #left: number[] = [];
  readonly #edges: number[][] = [];

  /** @returns the node's number */
  node(): number {
    return this.#edges.push([]) - 1;
  }

  edge(from: number, to: number, capacity: number): void {
    this.#edges[from]?.push(this.#heads.length);
    this.#heads.push(to);
    this.#left.push(Math.max(0, capacity));
    this.#edges[to]?.push(this.#heads.length);
    this.#heads.push(from);
    this.#left.push(0);
  }

  /** The most that flows, at most `demand`. */
  most(from: number, to: number, demand: number): number {
    const least = demand * EPSILON;
    let flow = 0;
    while (demand - flow > least) {
      const levels = this.#levels(from, least);
      if (levels[to] === -1) break;
      const next = this.#edges.map(() => 0);
      for (let more = Infinity; more > least && demand - flow > least; flow += more) {
        more = this.#push(from, to, demand - flow, levels, next, least);
        if (more <= least) break;
      }
    }
    return flow;
  }

  #levels(from: number, least: number): number[] {
    const levels = this.#edges.map(() => -1);
    levels[from] = 0;
    const queue = [from];
    for (const node of queue) {
      for (const edge of this.#edges[node] as number[]) {
        const head = this.#heads[edge] as number;
        if (levels[head] !== -1 || (this.#left[edge] as number) <= least) continue;
        levels[head] = (levels[node] as number) + 1;
        queue.push(head);
      }
    }
    return levels;
  }

  #push(node: number, to: number, limit: number, levels: number[], next: number[], least: number): number {
    if (node === to) return limit;
    const edges = this.#edges[node] as number[];
    for (; (next[node] as number) < edges.length; (next[node] as number)++) {
      const edge = edges[next[node] as number] as number;
      const head = this.#heads[edge] as number;
      const left = this.#left[edge] as number;
      if (left <= least || levels[head] !== (levels[node] as number) + 1) continue;
      const pushed = this.#push(head, to, Math.min(limit, left), levels, next, least);
      if (pushed <= least) continue;
      this.#left[edge] = left - pushed;
      this.#left[edge ^ 1] = (this.#left[edge ^ 1] as number) + pushed;
      return pushed;
    }
    return 0;
  }
}
