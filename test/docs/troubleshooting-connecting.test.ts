import { once } from 'node:events';
import { createServer } from 'node:http';

import express, { type RequestHandler } from 'express';
import { createChannels, viewAsConsumer } from 'express-channels';
import passport from 'passport';
import { WebSocket, WebSocketServer } from 'ws';

import { chromiumMissing, launchChromium } from '../example-app/browser.js';
import { freePort } from '../support/free-port.js';
import { describeRequiring } from '../support/requirement.js';
import { listen, portOf, statusOf } from '../support/socket-client.js';
import { holdSection, messageOf, printedBy, warnedBy } from './troubleshooting-page.js';

const users = express.Router().get('/', (_req, res) => void res.json('done'));
const serve = (...middleware: RequestHandler[]) =>
  createChannels(express(), { handshakeTimeoutMs: 20 })
    .use(...middleware)
    .route('/ws/users', viewAsConsumer(users));

/** What a client that is no browser says of a socket that can't be opened. */
async function errorOf(port: number, path = '/ws/users'): Promise<string> {
  const [error] = (await once(new WebSocket(`ws://127.0.0.1:${port}${path}`), 'error')) as [Error];
  return error.message;
}

const refusedFrom = (origin: string) =>
  warnedBy(async () => expect(await statusOf(await listen(serve()), '/ws/users', { headers: { origin } })).toBe(403));

const ofError = (line: string) => line.replace(/^\w+: /, '');

const mistakes = {
  'Nothing listens': async () => {
    const port = await freePort();
    return (await errorOf(port)).replace(String(port), '8000');
  },
  '404: no such path': () => warnedBy(async () => expect(await statusOf(await listen(serve()), '/users?token=secret')).toBe(404)),
  '404: and the server says nothing': async () => {
    const app = express();
    createChannels(app).route('/ws/users', viewAsConsumer(users));
    const server = app.listen(0, '127.0.0.1');
    const message = await errorOf(await portOf(server));
    server.close();
    return message;
  },
  '403: a page of another origin': () => refusedFrom('http://localhost:5173'),
  '403: a page that was opened from a file': () => refusedFrom('null'),
  '302 or 401: the login refuses': async () =>
    errorOf(
      await listen(
        serve((_req, res) => {
          res.redirect('/login');
        }),
      ),
    ),
  '500: passport finds no session': () =>
    printedBy(async () =>
      expect(await statusOf(await listen(serve(passport.session() as RequestHandler)), '/ws/users')).toBe(500),
    ),
  '504: a middleware that hangs': async () =>
    ofError(
      await printedBy(async () => expect(await statusOf(await listen(serve(() => undefined)), '/ws/users')).toBe(504)),
    ).replace('20 ms', '10000 ms'),
  'Another library takes the handshake': async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const theirs = new WebSocketServer({ server, path: '/theirs' });
    const channels = serve().attach(server);
    const printed = await printedBy(async () => errorOf(await portOf(server)));
    await channels.close();
    theirs.close();
    server.close();
    return ofError(printed);
  },
};

const IN_A_BROWSER = 'The browser refuses before it asks';
holdSection('Connecting', mistakes, [IN_A_BROWSER]);

describeRequiring(chromiumMissing, "docs/TROUBLESHOOTING.md: Express's error page in a browser", () => {
  test('forbids a socket', async () => {
    const port = await listen(serve());
    const browser = await launchChromium();
    const page = await browser.newPage();
    const complaint = page.waitForEvent('console', (message) => message.text().includes('ws://'));
    await page.goto(`http://localhost:${port}/`);
    await page.evaluate(`void new WebSocket('ws://localhost:${port}/ws/users')`);
    expect((await complaint).text().replace(String(port), '8000')).toContain(messageOf(IN_A_BROWSER));
    await browser.close();
  });
});
