/** Receives bytes over one bare libp2p stream and throws them away. argv: address, bytes, encrypter. */
import { multiaddr } from '@multiformats/multiaddr';
import { answerStop, isReady, tell } from './child.ts';
import { bareNode } from './stream-node.ts';
import { PROTOCOL } from './stream-protocol.ts';

const [address = '', total = '0', encrypter] = process.argv.slice(2);
const node = await bareNode([], encrypter);
isReady();
const connection = await node.dial(multiaddr(address));
const started = performance.now();
const stream = await connection.newStream(PROTOCOL);
let received = 0;
for await (const piece of stream) received += piece.byteLength;
if (received < Number(total)) throw new Error(`received ${received} of ${total}`);
tell({ ms: performance.now() - started });
await answerStop(async () => node.stop());
