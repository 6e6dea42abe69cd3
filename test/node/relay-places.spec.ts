import assert from 'node:assert/strict';
import { TypedEventEmitter, type Listener, type ListenerEvents } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { RelayPlaces, Rounds } from '../../src/node/relay-places.ts';

const NAMES = [
  '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp',
  '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5',
  '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq',
  '12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba',
  '12D3KooWPcF6P4Wg3uyF2DR2yLVkgT1TGzfrBGAQqmZqQ6ADcZ3S',
];

/** A listener whose place on a relay is at the addresses given last. */
class Place extends TypedEventEmitter<ListenerEvents> implements Listener {
  #at: string[] = [];

  getAddrs() {
    return this.#at.map((each) => multiaddr(`${each}/p2p-circuit`));
  }

  is(...at: string[]): void {
    this.#at = at;
    this.safeDispatchEvent('listening');
  }

  async listen(): Promise<void> {}
  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.safeDispatchEvent('close');
  }
}

describe('places on relays', () => {
  let places: RelayPlaces;
  let place: Place;
  beforeEach(() => {
    places = new RelayPlaces();
    place = new Place();
    places.add(place);
  });

  const remembered = (): string[][] => places.relaysBut(new Set()).map((each) => each.map(String));
  const at = (port: number, name = NAMES[0]): string => `/ip4/127.0.0.1/tcp/${port}/p2p/${name}`;

  it('are lacking while a listener has none', async () => {
    const second = new Place();
    places.add(second);
    assert.equal(places.lacking, 2);
    place.is(at(1));
    assert.equal(places.lacking, 1);
    place.is();
    assert.equal(places.lacking, 2);
    await second.close();
    assert.equal(places.lacking, 1);
  });

  it('are remembered when they are lost, where they were last', () => {
    place.is(at(1), at(2));
    place.is();
    assert.deepEqual(remembered(), [[at(1), at(2)]]);
    place.is(at(3));
    assert.deepEqual(remembered(), [[at(3)]]);
    assert.deepEqual(places.relaysBut(new Set(NAMES)), []);
  });

  it('are remembered of the last four relays, with few addresses, and none of another peer', () => {
    for (const name of NAMES) place.is(at(1, name));
    assert.deepEqual(
      remembered(),
      NAMES.slice(1).map((name) => [at(1, name)]),
    );
    const many = Array.from({ length: 20 }, (_, i) => at(i + 1, NAMES[4]));
    place.is(many[0] ?? '', at(99), ...many.slice(1));
    assert.deepEqual(remembered().at(-1), many.slice(0, 8));
  });
});

describe('rounds in which a relay is tried', () => {
  /** In which of the next rounds something was tried. */
  const due = (rounds: Rounds, count: number, lacking: number): number[] =>
    Array.from({ length: count }, (_, n) => n + 1).filter(() => rounds.isDue(lacking));

  it('are ever fewer while it is gone, and begin anew when another place is lost', () => {
    const rounds = new Rounds(120);
    assert.deepEqual(due(rounds, 100, 0), []);
    assert.deepEqual(due(rounds, 500, 1), [1, 3, 7, 15, 31, 63, 127, 247, 367, 487]);
    assert.deepEqual(due(rounds, 10, 2), [1, 3, 7]);
    assert.deepEqual(due(rounds, 1, 0), []);
    assert.deepEqual(due(rounds, 10, 1), [1, 3, 7]);
  });

  it('are no further apart than is said', () => {
    assert.deepEqual(due(new Rounds(12), 60, 1), [1, 3, 7, 15, 27, 39, 51]);
  });
});
