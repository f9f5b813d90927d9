import { connect, createServer, type Server, type Socket } from 'node:net';

import { portOf } from '../support/socket-client.js';

/** A way to a server on which connections can die as they do when a firewall forgets them: nobody is told. */
export class MutableProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;
  readonly #muted: Set<Socket>;

  private constructor(server: Server, port: number, sockets: Set<Socket>) {
    this.url = `redis://127.0.0.1:${port}`;
    this.#server = server;
    this.#sockets = sockets;
    this.#muted = new Set();
  }

  static async start(target: number): Promise<MutableProxy> {
    const sockets = new Set<Socket>();
    const server = createServer();
    const proxy = new MutableProxy(server, await portOf(server.listen(0, '127.0.0.1')), sockets);
    server.on('connection', (client) => {
      proxy.#forward(client, target);
    });
    return proxy;
  }

  /** From now on nothing goes through the connections there are. New ones are as they should be. */
  mute(): void {
    for (const socket of this.#sockets) this.#muted.add(socket);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #forward(client: Socket, target: number): void {
    const server = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.on('data', (chunk) => {
        if (!this.#muted.has(from)) to.write(chunk);
      });
      from.on('close', () => {
        this.#sockets.delete(from);
        if (!this.#muted.has(from)) to.destroy();
      });
    }
  }
}
