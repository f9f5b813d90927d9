import type { Server } from 'node:http';

import { type Channels, type Consumer, createChannels } from 'express-channels';
import type { TestClient } from 'express-channels/testing';
import type { Model, ModelStatic, Sequelize } from 'sequelize';

import { type HandshakeOptions, listen, open, portOf, type SocketClient } from '../support/socket-client.js';
import { Example } from './coming-from-dcrf-page.js';
import type { CodeBlock } from './markdown.js';

/** A frame that has at least these keys. */
export const frame = (more: object): unknown => expect.objectContaining(more) as unknown;

/** One file of the page with users in its database, behind the login of `middleware.ts`. */
export class Play {
  readonly example: Example;
  readonly sequelize: Sequelize;

  private constructor(example: Example) {
    this.example = example;
    this.sequelize = example.load('database.ts')['sequelize'] as Sequelize;
    databases.push(this.sequelize);
  }

  /** Runs the file, and creates the tables of its models and users 1, 2, … */
  static async of(
    file: string,
    usernames: readonly string[] = [],
    globals: Readonly<Record<string, unknown>> = {},
  ): Promise<Play> {
    const play = new Play(new Example(globals));
    play.example.load('models.ts');
    play.example.load(file);
    await play.sequelize.sync();
    for (const [index, username] of usernames.entries()) {
      const email = `${index + 1}@example.com`;
      await play.model('User').create({ username, email, password: '!', is_staff: username === 'root' });
    }
    return play;
  }

  model(name: string): ModelStatic<Model> {
    return this.sequelize.model(name);
  }

  /** Serves a consumer that the file exports, and returns what opens sockets as users. */
  async serve(file: string, name: string): Promise<(user?: string) => Promise<SocketClient>> {
    const { tokenAuth } = this.example.load('middleware.ts');
    const channels = createChannels().use(tokenAuth as () => void);
    channels.route('/ws', this.example.load(file)[name] as Consumer);
    const port = await listen(channels);
    return (user) => open(port, '/ws', headersOf(user));
  }

  /** The port on which a file of the page listens by itself. */
  async port(file: string): Promise<number> {
    const { channels, server } = this.example.load(file);
    listening.push(channels as Channels);
    return portOf(server as Server);
  }
}

const listening: Channels[] = [];
const databases: Sequelize[] = [];

afterEach(async () => {
  await Promise.all(listening.splice(0).map((channels) => channels.close({ timeoutMs: 1 })));
  await Promise.all(databases.splice(0).map((sequelize) => sequelize.close()));
});

/** A handshake by which `middleware.ts` knows who it is. */
export function headersOf(user?: string): HandshakeOptions {
  return user === undefined ? {} : { headers: { authorization: `Token ${user}` } };
}

/** Sends the frames of a block and expects those that follow; "…" stands for any text. */
export async function expectFrames(client: TestClient, { code }: CodeBlock): Promise<void> {
  for (const line of code.trim().split('\n')) {
    if (line.startsWith('> ')) client.send(line.slice(2));
    else expect(await client.receive()).toEqual(JSON.parse(line.slice(2), anyText));
  }
}

function anyText(_key: string, value: unknown): unknown {
  return value === '…' ? expect.any(String) : value;
}
