import { once } from 'node:events';

import { createChannels, defineConsumer, reply } from 'express-channels';

import { createLoginApp, logIn } from '../support/login-app.js';
import { listen } from '../support/socket-client.js';
import { WebSocket } from 'ws';

import { consumersOf, type Kind, mixed } from './consumers.js';
import { CANARY, openDrafts, openTables } from './models.js';
import { createSite, PLANNED } from './site.js';

/** What the sockets of a run are, and who. */
export const LANES: readonly { readonly kind: Kind | 'mixed'; readonly user?: string; readonly leaves?: boolean }[] = [
  { kind: 'router' },
  { kind: 'router', user: 'alice' },
  { kind: 'actions', user: 'bob' },
  { kind: 'things' },
  { kind: 'things', user: 'alice' },
  { kind: 'items' },
  { kind: 'samples', user: 'bob' },
  { kind: 'members' },
  { kind: 'members', user: 'alice' },
  { kind: 'mixed' },
  { kind: 'mixed', user: 'alice' },
  { kind: 'router', leaves: true },
  { kind: 'actions', leaves: true },
  { kind: 'things', user: 'bob', leaves: true },
  { kind: 'items', leaves: true },
];

/** The server under fuzz, and all that it must not do. */
export async function openStand() {
  const tables = await openTables();
  const drafts = await Promise.all(LANES.map(openDrafts));
  const strayed: string[] = [];
  /** Errors that were not thrown on purpose. */
  const unplanned: unknown[] = [];
  const planned = new Map<string, number>();
  const { app, middleware, store } = createLoginApp();
  const site = createSite(strayed);
  const channels = createChannels(app, {
    limits: { maxMalformedFrames: Infinity, maxFrameBytes: 1024 * 1024 },
    onError: (error, { action = '', scope }) => {
      const path = scope?.path ?? '';
      if (error instanceof Error && error.message === CANARY && PLANNED.has(action))
        planned.set(path, (planned.get(path) ?? 0) + 1);
      else unplanned.push({ error, action, path });
    },
  });
  channels.use(...middleware);
  for (const [number, { kind }] of LANES.entries()) {
    const [draft = await openDrafts()] = drafts.slice(number);
    const consumers = consumersOf(number, { tables, drafts: draft, site, channels: () => channels });
    channels.route(`/ws/${number}`, kind === 'mixed' ? mixed(consumers) : consumers[kind]);
  }
  channels.route('/neighbour', defineConsumer({ actions: { echo: (_ctx, args) => reply(args) } }));
  const port = await listen(channels);
  const cookies = new Map([
    ['alice', await logIn(port, 'alice')],
    ['bob', await logIn(port, 'bob')],
  ]);
  return { channels, tables, drafts, strayed, unplanned, planned, port, cookies, store };
}

export type Stand = Awaited<ReturnType<typeof openStand>>;

/** A client that does nothing wrong, and counts. */
export async function startNeighbour(port: number) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/neighbour`);
  await once(socket, 'open');
  const wrong: string[] = [];
  const sentAt: number[] = [];
  let [answered, slowestMs] = [0, 0];
  socket.on('message', (data: Buffer) => {
    const expected = `{"errors":[],"data":{"text":"hello ${answered}"},"action":"echo","response_status":200,"request_id":${answered}}`;
    if (data.toString() !== expected) wrong.push(data.toString());
    slowestMs = Math.max(slowestMs, performance.now() - (sentAt.shift() ?? 0));
    answered += 1;
  });
  socket.on('close', (code) => {
    if (code !== 1005) wrong.push(`closed with ${code}`);
  });
  let sent = 0;
  const timer = setInterval(() => {
    sentAt.push(performance.now());
    socket.send(JSON.stringify({ action: 'echo', request_id: sent, text: `hello ${sent}` }));
    sent += 1;
  }, 5);
  return async () => {
    clearInterval(timer);
    while (answered < sent && socket.readyState === WebSocket.OPEN) await new Promise((resolve) => setTimeout(resolve, 1));
    socket.close();
    await once(socket, 'close');
    return { sent, answered, slowestMs, wrong };
  };
}
