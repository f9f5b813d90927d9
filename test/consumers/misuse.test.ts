import express from 'express';
import { action, defineConsumer, isAuthenticated, routeActions, viewAsConsumer } from 'express-channels';

const router = express.Router().get('/', (_req, res) => void res.json('done'));
const now = (_req: unknown, res: { end(): void }) => {
  res.end();
};
const rule = () => true;
const OPTIONS = 'Options are: permissions, timeoutMs, maxResponseBytes, exposeHeaders.';

describe('viewAsConsumer() tells at start-up', () => {
  const table: [name: string, args: unknown[], message: string][] = [
    ['an unknown option', [router, undefined, { timeout: 5 }], `Unknown option \`timeout\` for viewAsConsumer(). ${OPTIONS}`],
    [
      'an option of the channels',
      [router, undefined, { origins: [] }],
      `Unknown option \`origins\` for viewAsConsumer(): it belongs to createChannels(). ${OPTIONS}`,
    ],
    [
      'a permission without a list',
      [router, undefined, { permissions: isAuthenticated }],
      'Expected `permissions` to be a list, such as [isAuthenticated], got { connect: [Function: connect], action: [Function: action] }.',
    ],
    [
      'a function among the permissions',
      [router, undefined, { permissions: [rule] }],
      'Expected a permission in `permissions`, got [Function: rule]: wrap a function by permission(), a middleware by expressPermission().',
    ],
    [
      'a text of headers',
      [router, undefined, { exposeHeaders: 'etag' }],
      "Expected `exposeHeaders` to be a list of names such as ['etag'], got 'etag'.",
    ],
    [
      'options in place of the actions',
      [router, { permissions: [isAuthenticated] }],
      'Expected action "permissions" to be mapped to a method and path such as "GET" or "GET /:id", got [ [Object] ]. ' +
        'Options are the third argument.',
    ],
    ['no actions', [router, {}], 'Expected at least one action.'],
    [
      'a bare handler without actions',
      [now],
      'None of the actions create, update, list, retrieve has a route. ' +
        "A handler that is no Router has no routes: name its actions, such as { now: 'GET /' }.",
    ],
  ];
  test.each(table)('%s', (_name, args, message) => {
    // As JavaScript would call it.
    expect(() => Reflect.apply(viewAsConsumer, undefined, args) as unknown).toThrow(new TypeError(message));
  });
});

test('null for the actions is as good as none', () => {
  expect(() => viewAsConsumer(router, null as never)).not.toThrow();
});

test.each([
  ['x', "'x'"],
  [now, '[Function: now]'],
])('routeActions(%p) is told that there are no routes', (handler, got) => {
  expect(() => routeActions(handler as never)).toThrow(new TypeError(`Expected a Router or an application, got ${got}.`));
});

test.each([
  [
    () => defineConsumer({ action: {} } as never),
    'Unknown option `action` for defineConsumer(). Options are: state, permissions, actions, on, connect, disconnect, actionName.',
  ],
  [
    () => action(rule, { detach: true } as never),
    'Unknown option `detach` for action(). Options are: schema, transaction, permissions, detached.',
  ],
])('%s', (misuse, message) => {
  expect(misuse).toThrow(new TypeError(message));
});
