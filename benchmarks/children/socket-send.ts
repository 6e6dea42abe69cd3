/** Sends bytes to whoever connects, over TCP or Node's TLS on it. argv: bytes, `tls` or `tcp`. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { makeCertificate } from '../certificate.ts';
import { answerStop, isReady, tell } from './child.ts';

const bytes = Number(process.argv[2]);
const chunk = Buffer.alloc(1024 * 1024, 7);

async function send(socket: Socket): Promise<void> {
  for (let left = bytes; left > 0; left -= chunk.byteLength) {
    const piece = left < chunk.byteLength ? chunk.subarray(0, left) : chunk;
    if (!socket.write(piece)) await once(socket, 'drain');
  }
  socket.end();
}

const server =
  process.argv[3] === 'tls'
    ? createTlsServer(makeCertificate(), (socket) => void send(socket))
    : createServer((socket) => void send(socket));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
isReady();
tell({ port: (server.address() as AddressInfo).port });
await answerStop(async () => void server.close());
