import type { Browser, Page } from 'playwright-core';
import type { Sequelize } from 'sequelize';
import { openDatabase } from '../../example-app/src/database.js';
import { Message, Room } from '../../example-app/src/live/chat.models.js';
import { seed } from '../../example-app/src/seed.js';
import { describeRequiring } from '../support/requirement.js';
import { barriersOf, chromiumMissing, launchChromium, phone, Windows } from './browser.js';
import { startExample, type Example } from './server.js';

jest.setTimeout(60_000);

describeRequiring(chromiumMissing, 'the chat in Chromium', () => {
  let database: Sequelize;
  let example: Example;
  let browser: Browser;
  let windows: Windows;

  beforeAll(async () => {
    database = await openDatabase('sqlite::memory:');
    await seed();
    example = await startExample();
    browser = await launchChromium();
    windows = new Windows(browser, `http://${example.host}`);
  }, 60_000);
  afterEach(async () => {
    expect(await windows.close()).toEqual([]);
    await Message.destroy({ where: {} });
  });
  afterAll(async () => {
    await browser.close();
    await example.channels.close();
    await database.close();
  });

  const messagesOf = (page: Page) => page.getByRole('log').locator('.text').allInnerTexts();
  const message = (page: Page, text: string) => page.getByRole('log').getByText(text, { exact: true });
  const peopleOf = (page: Page) => page.getByRole('complementary').getByRole('listitem');
  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel('Message').fill(text);
    await page.keyboard.press('Enter');
  }

  test('is for those who sign up, who then enter a room by its name', async () => {
    const page = await windows.open('/');
    await page.waitForURL('**/sign-in?*');
    await page.getByRole('radio', { name: 'Create an account' }).check();
    await page.getByLabel('Username').fill('emmy');
    await page.getByLabel('Password').fill('short');
    await page.getByRole('button', { name: 'Create an account' }).click();
    await page.getByText('Ensure this field has at least 8 characters.').waitFor();
    await page.getByLabel('Password').fill('noether1918');
    await page.keyboard.press('Enter');

    await page.getByLabel('Name of the room').fill('Algebra & <rings>');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Algebra & <rings>' }).waitFor();
    await page.getByText('Nobody has said anything yet.').waitFor();
    await peopleOf(page).filter({ hasText: 'emmy (you)' }).waitFor();
  });

  test('goes on after signing out and in where it was', async () => {
    const page = await windows.openAs('florence', '/room?name=lobby');
    await say(page, 'I am soon back.');
    await page.getByText('Connected').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByText('You are signed out').waitFor();
    await page.getByLabel('Username').fill('florence');
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('Incorrect authentication credentials.').waitFor();
    await page.getByRole('button', { name: 'florence nurse' }).click();
    await page.getByRole('heading', { name: 'lobby' }).waitFor();
    await message(page, 'I am soon back.').waitFor();
  });

  test('shows a message in every window of the room at once, each once and in order, and in no other room', async () => {
    const grace = await windows.openAs('grace', '/room?name=lobby');
    const alan = await windows.openAs('alan', '/room?name=lobby', phone);
    const ada = await windows.openAs('ada', '/room?name=library');
    await peopleOf(grace).getByText('alan').waitFor();
    await say(grace, 'Good morning!');
    await message(alan, 'Good morning!').waitFor();
    await say(alan, '<b onclick="alert(1)">Morning</b> & more');
    await message(grace, '<b onclick="alert(1)">Morning</b> & more').waitFor();
    await say(grace, 'How is Pierre?');
    await message(alan, 'How is Pierre?').waitFor();

    const said = ['Good morning!', '<b onclick="alert(1)">Morning</b> & more', 'How is Pierre?'];
    expect(await messagesOf(grace)).toEqual(said);
    expect(await messagesOf(alan)).toEqual(said);
    expect(await messagesOf(ada)).toEqual([]);

    await alan.reload();
    await message(alan, 'How is Pierre?').waitFor();
    expect(await messagesOf(alan)).toEqual(said);
  });

  test('shows who comes, and who goes when their last window closes', async () => {
    const grace = await windows.openAs('grace', '/room?name=lobby');
    const alan = await windows.openAs('alan', '/room?name=lobby');
    await grace.getByText('alan joined').waitFor();
    const second = await windows.add(alan.context(), '/room?name=lobby');
    await peopleOf(second).getByText('grace').waitFor();
    await peopleOf(second).getByText('alan (you)').waitFor();
    await alan.close();
    await say(second, 'I am still here.');
    await message(grace, 'I am still here.').waitFor();
    expect(await peopleOf(grace).allInnerTexts()).toEqual([expect.stringContaining('alan'), expect.stringContaining('grace')]);
    await second.close();
    await grace.getByText('alan left').waitFor();
    await peopleOf(grace).getByText('alan').waitFor({ state: 'detached' });
    expect(await grace.getByText('alan joined').count()).toBe(1);
  });

  test('lists the rooms and who is in them, as they come', async () => {
    const alan = await windows.openAs('alan', '/');
    const grace = await windows.openAs('grace', '/room?name=tea kitchen');
    const room = alan.getByRole('link', { name: 'tea kitchen' });
    await room.getByText('1 here').waitFor();
    await grace.getByLabel('All rooms').click();
    await room.getByText('Nobody here').waitFor();
    await room.click();
    await alan.getByRole('heading', { name: 'tea kitchen' }).waitFor();
  });

  test('has the newest hundred messages when a room has more', async () => {
    const [{ id: room_id }] = await Room.findOrCreate({ where: { name: 'archive' } });
    const old = Array.from({ length: 105 }, (_, n) => ({ key: crypto.randomUUID(), text: `No. ${n}`, room_id, user_id: 1 }));
    await Message.bulkCreate(old);
    const page = await windows.openAs('grace', '/room?name=archive');
    await message(page, 'No. 104').waitFor();
    expect(await messagesOf(page)).toEqual(old.slice(5).map(({ text }) => text));
  });

  test.each([
    ['light', { colorScheme: 'light' }],
    ['dark, on a phone', { colorScheme: 'dark', ...phone }],
  ] as const)('keeps nobody out, and does not scroll sideways: %s', async (_name, options) => {
    const page = await windows.openAs('grace', '/room?name=lobby', options);
    await say(page, 'Donaudampfschifffahrtsgesellschaft'.repeat(8));
    await page.getByText('(you)').waitFor();
    for (const path of ['/room?name=lobby', '/', '/sign-in', '/patients']) {
      await page.goto(path);
      if (path !== '/sign-in') await page.getByText('Connected').waitFor();
      if (path === '/patients') await page.getByRole('button', { name: 'Edit Pierre Curie' }).click();
      expect({ path, barriers: await barriersOf(page) }).toEqual({ path, barriers: [] });
      const sizes = 'const { scrollWidth, clientWidth } = document.documentElement; [scrollWidth, clientWidth]';
      const [wide, window] = await page.evaluate<[number, number]>(sizes);
      expect({ path, wide }).toEqual({ path, wide: window });
    }
  });
});
