import assert from 'node:assert/strict';
import { dialFailure } from '../../src/node/dial-failure.ts';

const ADDRESS = '/ip4/192.0.2.1/tcp/4001';

describe('a dial that failed', () => {
  for (const [what, error, reason, message] of [
    ['a closed port', new Error('connect ECONNREFUSED 192.0.2.1'), 'refused', 'nothing listens there'],
    ['silence', Object.assign(new Error('x'), { name: 'TimeoutError' }), 'timeout', 'no answer'],
    [
      'one reason of several',
      new AggregateError([new Error('x'), new Error('EHOSTUNREACH')]),
      'no-route',
      'no route to it',
    ],
    ['itself', new Error('Can not dial self'), 'this-node', 'this node itself listens there'],
    [
      'an address for which it has no transport',
      new Error('The dial request has no valid addresses for peer: unknown peer'),
      'failed',
      'this node has no way to such an address',
    ],
    ['what is not known', new Error('odd\nstack'), 'failed', 'odd'],
    ['a WebSocket in a browser', new Event('error'), 'failed', 'no connection; browsers do not tell why'],
    [
      'that in a bundle',
      new AggregateError([new Event('error')]),
      'failed',
      'no connection; browsers do not tell why',
    ],
  ] as const) {
    it(`tells of ${what}: ${message}`, () =>
      assert.deepEqual(dialFailure(ADDRESS, error), { address: ADDRESS, reason, message }));
  }
});
