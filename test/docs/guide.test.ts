import { existsSync } from 'node:fs';

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

import { describeRequiring } from '../support/requirement.js';
import { missingPrograms } from './how-to-program.js';
import { Reader } from './how-to-reader.js';
import { Walk } from './how-to-walk.js';
import { type CodeBlock, codeBlocks } from './markdown.js';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const missing = existsSync(executablePath) ? undefined : `there is no browser at ${executablePath}; CHROMIUM names another`;

const blocks = codeBlocks('docs/GUIDE.md');
const sections = [...new Set(blocks.map(({ section }) => section))];
const followed = new Set<CodeBlock>();

/** The guard that the page adds to a file. */
const isGuard = ({ code }: CodeBlock): boolean => code.startsWith('tasks.use(');

let walk: Walk;

async function follow(section: string): Promise<void> {
  for (const block of blocks.filter((one) => one.section === section)) {
    await walk.follow(isGuard(block) ? withGuard(block) : block);
    followed.add(block);
  }
}

function withGuard(guard: CodeBlock): CodeBlock {
  const file = blocks.find(({ code }) => code.startsWith('// tasks.js'));
  const place = 'export const tasks = Router();\n';
  if (file?.code.includes(place) !== true) throw new Error(`There is no "${place}" in tasks.js.`);
  return { ...file, code: file.code.replace(place, `${place}\n${guard.code}`) };
}

describeRequiring(missingPrograms('curl'), 'GUIDE.md', () => {
  beforeAll(async () => {
    walk = new Walk(await Reader.start([8000]));
  });

  test.each(sections.filter((section) => section < '7'))('%s', follow, 30_000);

  describeRequiring(missing, 'the page in Chromium', () => {
    let browser: Browser;
    let context: BrowserContext;
    const faults: string[] = [];

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu'] });
      context = await browser.newContext();
      context.setDefaultTimeout(10_000);
    }, 60_000);
    afterAll(() => browser.close());

    async function openWindow(): Promise<Page> {
      const page = await context.newPage();
      page.on('pageerror', (error) => faults.push(error.message));
      await page.goto(walk.reader.here('http://localhost:8000'));
      return page;
    }

    async function logIn(page: Page): Promise<void> {
      await page.getByLabel('Username').fill('ada');
      await page.getByLabel('Password').fill('lovelace');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.getByText('Live', { exact: true }).waitFor();
      expect(await page.getByRole('button', { name: 'Log in' }).isVisible()).toBe(false);
    }

    test('what one window does, the other shows, and both come back after a restart', async () => {
      const one = await openWindow();
      await one.getByText('Please log in').waitFor();
      await logIn(one);
      await one.getByText('Bake bread').waitFor();
      const other = await openWindow();

      await one.getByLabel('New task').fill('Feed the cat');
      await one.keyboard.press('Enter');
      await other.getByLabel('Feed the cat', { exact: true }).check();
      await one.getByRole('checkbox', { name: 'Feed the cat', checked: true }).waitFor();
      const { EXPRESS_CHANNELS_SCREENSHOTS: folder } = process.env;
      if (folder !== undefined) await one.screenshot({ path: `${folder}/guide.png` });
      await other.getByRole('button', { name: 'Delete Feed the cat' }).click();
      await one.getByText('Feed the cat').waitFor({ state: 'detached' });

      await walk.start();
      for (const page of [one, other]) await page.getByText('Please log in').waitFor();
      expect(faults).toEqual([]);
    }, 30_000);
  });

  test.each(sections.filter((section) => section >= '7'))('%s', follow, 30_000);

  test('every block of the page was followed', () => {
    expect(blocks.filter((block) => !followed.has(block))).toEqual([]);
  });
});
