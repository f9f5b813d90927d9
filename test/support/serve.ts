import { type Channels, type ChannelsOptions, type Consumer, createChannels } from 'express-channels';
import { connect, type ConnectOptions, type TestClient } from 'express-channels/testing';

/** Channels with one consumer at `/ws`, and what went wrong unexpectedly. */
export interface Served {
  readonly channels: Channels;
  readonly errors: unknown[];
  open(options?: ConnectOptions): Promise<TestClient>;
}

const opened: Channels[] = [];

/** Serves a consumer without a port. The channels are closed behind the tests of the file. */
export function serve(consumer: Consumer, options: ChannelsOptions = {}): Served {
  const errors: unknown[] = [];
  const channels = createChannels(undefined, { onError: (error) => errors.push(error), ...options });
  opened.push(channels);
  channels.use((req, _res, next) => {
    const { 'x-user': username } = req.headers;
    if (typeof username === 'string') Object.assign(req, { user: { id: 1, username } });
    next();
  });
  channels.route('/ws', consumer);
  return { channels, errors, open: (how) => connect(channels, '/ws', how) };
}

/** A promise that a test resolves when it wants to. */
export function gate(): { readonly passed: Promise<void>; readonly pass: () => void } {
  let pass: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (pass = resolve));
  return { passed, pass };
}

afterAll(async () => {
  await Promise.all(opened.map((channels) => channels.close({ timeoutMs: 1 })));
});
