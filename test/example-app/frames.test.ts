import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { Sequelize } from 'sequelize';
import { openDatabase } from '../../example-app/src/database.js';
import { seed } from '../../example-app/src/seed.js';
import { describeRequiring } from '../support/requirement.js';
import { chromiumMissing, faintTexts, launchChromium, phone, Windows } from './browser.js';
import { startExample, type Example } from './server.js';

describeRequiring(chromiumMissing, 'the page that sends frames, in Chromium', () => {
  let database: Sequelize;
  let example: Example;
  let browser: Browser;
  let page: Page;
  let windows: Windows;
  let screenshots: string;

  beforeAll(async () => {
    // EXPRESS_CHANNELS_SCREENSHOTS keeps them, for somebody to look at.
    screenshots = process.env['EXPRESS_CHANNELS_SCREENSHOTS'] ?? (await mkdtemp(join(tmpdir(), 'screenshots-')));
    database = await openDatabase('sqlite::memory:');
    await seed();
    example = await startExample();
    browser = await launchChromium();
    windows = new Windows(browser, `http://${example.host}`);
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    await example.channels.close();
    await database.close();
    if (process.env['EXPRESS_CHANNELS_SCREENSHOTS'] === undefined) await rm(screenshots, { recursive: true });
  });

  async function open(options: BrowserContextOptions = {}): Promise<void> {
    page = await windows.open('/frames', options);
    await page.getByText('Connected to /ws/user').waitFor();
  }

  afterEach(async () => {
    expect(await windows.close()).toEqual([]);
  });

  /** The newest entry of the log, once there are this many. */
  async function newest(count: number): Promise<string> {
    const log = page.getByRole('log').getByRole('article');
    await log.nth(count - 1).waitFor();
    expect(await log.count()).toBe(count);
    return log.first().innerText();
  }
  const choose = (name: string) => page.getByRole('radio', { name, exact: true }).check();
  const press = (name: string) => page.getByRole('button', { name, exact: true }).click();

  describe.each([
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { colorScheme: 'light', ...phone }],
    ['phone-dark', { colorScheme: 'dark', ...phone }],
  ] as const)('%s', (name, options) => {
    test('shows a visit from the first frame to the login', async () => {
      await open(options);
      await press('Send');
      const reply = await newest(2);
      expect(reply).toMatch(/200\s+list #1\s+\d+ ms\s+\d\d:\d\d:\d\d\.\d\d\d/);
      expect(reply).toContain('"username": "ada"');

      await choose('/ws/patients');
      await page.getByText('Connected to /ws/patients').waitFor();
      await press('Send');
      expect(await newest(4)).toMatch(/401[^]*Authentication credentials were not provided\./);

      await press('grace');
      await page.getByText('Signed in as grace').first().waitFor();
      await page.getByText('Connected to /ws/patients').waitFor();
      await choose('create');
      await press('Send');
      expect(await newest(7)).toMatch(/201[^]*"last_name": "Meitner"/);
      await page.screenshot({ path: join(screenshots, `frames-${name}.png`), fullPage: true });

      const sizes = 'const { scrollWidth, clientWidth } = document.documentElement; [scrollWidth, clientWidth]';
      const [wide, window] = await page.evaluate<[number, number]>(sizes);
      expect(wide).toBe(window);
    }, 60_000);

    test('has legible text: at least 4.5 to 1 against what is behind it', async () => {
      await open(options);
      await press('Send');
      await newest(2);
      await page.getByLabel('JSON').fill('{');
      await press('Send');
      await page.getByText('This is no JSON yet').waitFor();
      expect(await page.evaluate<string[]>(faintTexts)).toEqual([]);
    }, 60_000);
  });

  test('signs in by the form, tells a wrong password, and signs out', async () => {
    await open();
    await page.getByLabel('Username').fill('ada');
    await page.getByLabel('Password').fill('wrong');
    await press('Sign in');
    await page.getByRole('alert').getByText('Incorrect authentication credentials.').waitFor();

    await page.getByLabel('Password').fill('ada-demo');
    await page.keyboard.press('Enter');
    await page.getByText('Signed in as ada').first().waitFor();
    await page.getByText('Connected to /ws/user').waitFor();

    await page.reload();
    await page.getByText('Signed in as ada').waitFor();
    await page.getByText('Connected to /ws/user').waitFor();
    await press('Sign out');
    await page.getByText('Closed with 4401: the login ended').waitFor();
    await page.getByText('Not connected').waitFor();

    await choose('update');
    await press('Send');
    expect(await newest(4)).toContain('401');
  }, 60_000);

  test('can be used by keyboard alone', async () => {
    await open();
    await page.getByRole('radio', { name: 'list', exact: true }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.id')).toBe('frame');
    expect(await page.getByLabel('JSON').inputValue()).toContain('"action": "retrieve"');
    await page.keyboard.press('Control+Enter');
    expect(await newest(2)).toContain('"username": "ada"');
  }, 60_000);

  test('sends what was edited, and counts the request_id up', async () => {
    await open();
    await page.getByLabel('JSON').fill('{"action": "nope", "request_id": 1}');
    await press('Send');
    expect(await newest(2)).toMatch(/405\s+nope #1/);
    expect(await page.getByLabel('JSON').inputValue()).toBe('{"action": "nope", "request_id": 2}');

    await page.getByLabel('JSON').fill('[]');
    await press('Send');
    expect(await newest(4)).toMatch(/400\s+#null/);
  }, 60_000);

  test('says so when the frame is no JSON, and sends nothing', async () => {
    await open();
    await page.getByLabel('JSON').fill('{"action": list}');
    await press('Send');
    await page.getByRole('alert').getByText('This is no JSON yet').waitFor();
    expect(await page.getByLabel('JSON').getAttribute('aria-invalid')).toBe('true');
    await page.getByText('Nothing yet.').waitFor();
  }, 60_000);

  test("lets its console use the socket as DCRF's document does", async () => {
    await open();
    const reply = await page.evaluate(`new Promise((resolve) => {
      const ws = new WebSocket("ws://${example.host}/ws/user/")
      ws.onopen = function(){
        ws.send(JSON.stringify({
          action: "list",
          request_id: 15050500,
        }))
      }
      ws.onmessage = function(e){
        resolve(JSON.parse(e.data))
      }
    })`);
    expect(reply).toEqual({
      errors: [],
      data: [
        { username: 'ada', id: 1, email: 'ada@example.com' },
        { username: 'grace', id: 2, email: 'grace@example.com' },
        { username: 'alan', id: 3, email: 'alan@example.com' },
        { username: 'florence', id: 4, email: 'florence@example.com' },
      ],
      action: 'list',
      response_status: 200,
      request_id: 15050500,
    });
  }, 60_000);
});
