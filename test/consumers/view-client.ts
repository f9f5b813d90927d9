import express, { type Express, type RequestHandler, type Router } from 'express';
import { createChannels, type MappedActions, viewAsConsumer, type ViewAsConsumerOptions } from 'express-channels';
import { connect, type TestClient } from 'express-channels/testing';

/** Whether the tests run with Express 4. */
export const isExpress4 = 'lazyrouter' in express.application;

export interface ViewClientOptions extends ViewAsConsumerOptions {
  /** The application around the router. */
  readonly app?: Express;
}

/** A client of a router as a consumer. Its channels are closed behind the tests of the file. */
export async function viewClient(
  handler: Router | RequestHandler,
  mappedActions?: MappedActions,
  { app, ...options }: ViewClientOptions = {},
): Promise<TestClient> {
  const channels = createChannels(app, { onError: () => undefined });
  opened.push(channels);
  channels.route('/ws', viewAsConsumer(handler, mappedActions, options));
  return connect(channels, '/ws');
}

const opened: ReturnType<typeof createChannels>[] = [];

afterAll(async () => {
  await Promise.all(opened.map((channels) => channels.close({ timeoutMs: 1 })));
});
