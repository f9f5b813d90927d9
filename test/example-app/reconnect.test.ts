import type { RequestHandler } from 'express';
import type { Browser, Page } from 'playwright-core';
import type { Sequelize } from 'sequelize';
import { openDatabase } from '../../example-app/src/database.js';
import { Message, Presence, Room } from '../../example-app/src/live/chat.models.js';
import { createLogin } from '../../example-app/src/login.js';
import { Patient } from '../../example-app/src/models.js';
import { seed } from '../../example-app/src/seed.js';
import { DatabaseStore, sessionSecret } from '../../example-app/src/session-store.js';
import { describeRequiring } from '../support/requirement.js';
import { chromiumMissing, launchChromium, Windows } from './browser.js';
import { startExample, type Example } from './server.js';

jest.setTimeout(60_000);

describeRequiring(chromiumMissing, 'a page in Chromium that loses its connection', () => {
  let database: Sequelize;
  let example: Example;
  let browser: Browser;
  let windows: Windows;

  /** As a new process of the app would have it. */
  const login = async (): Promise<RequestHandler[]> => createLogin(new DatabaseStore(), await sessionSecret());

  beforeAll(async () => {
    database = await openDatabase('sqlite::memory:');
    await seed();
    example = await startExample(0, await login());
    browser = await launchChromium();
    windows = new Windows(browser, `http://${example.host}`);
  }, 60_000);
  afterEach(async () => {
    expect(await windows.close()).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await example.channels.close();
    await database.close();
  });

  const connected = (page: Page) => page.getByText('Connected', { exact: true }).waitFor();
  const people = (page: Page) => page.getByRole('complementary').getByRole('listitem');
  const texts = (page: Page) => page.getByRole('log').locator('.text').allInnerTexts();

  async function say(page: Page, text: string): Promise<void> {
    await page.getByLabel('Message').fill(text);
    await page.keyboard.press('Enter');
  }

  test('says so when the server goes, and is right again when it is back: still signed in, with all that has happened', async () => {
    const grace = await windows.openAs('grace', '/room?name=lobby');
    const alan = await windows.openAs('alan', '/room?name=lobby');
    const ward = await windows.openAs('alan', '/patients');
    await people(grace).getByText('alan').waitFor();
    await say(alan, 'Before');
    await grace.getByText('Before').waitFor();
    await ward.getByRole('button', { name: 'Edit Pierre Curie' }).click();
    await ward.getByLabel('Note').fill('Typed without a server.');

    await example.channels.close({ timeoutMs: 100 });
    await grace.getByText(/Reconnecting in \d+ s/).waitFor();
    await ward.getByRole('status').getByText('Reconnecting', { exact: true }).waitFor();
    await say(grace, 'While it was away');
    await grace.getByText('Waiting for the connection').waitFor();
    await ward.getByRole('button', { name: 'Save' }).click();
    await ward.getByText('Not saved: There is no connection to the server.').waitFor();

    const { id: room_id } = await Room.findOne({ where: { name: 'lobby' }, rejectOnEmpty: true });
    await Message.create({ key: crypto.randomUUID(), text: 'From elsewhere', room_id, user_id: 1 });
    // As a server leaves it that was killed.
    await Presence.create({ room_id, user_id: 1 });
    await Patient.update({ note: 'Changed meanwhile.' }, { where: { last_name: 'Franklin' } });
    const moved = await Patient.create({
      first_name: 'Lise',
      last_name: 'Meitner',
      ward: 'North',
      admission_date: new Date('2026-11-20'),
    });
    await Patient.destroy({ where: { first_name: 'Marie' } });

    example = await startExample(Number(example.host.split(':')[1]), await login());
    for (const page of [grace, alan, ward]) await connected(page);
    await alan.getByText('While it was away').waitFor();
    const all = ['Before', 'From elsewhere', 'While it was away'];
    expect(await texts(alan)).toEqual(all);
    await grace.getByText('Waiting for the connection').waitFor({ state: 'detached' });
    expect(await texts(grace)).toEqual(all);
    await people(alan).getByText('grace').waitFor();
    expect(await people(alan).count()).toBe(2);

    await ward.getByRole('button', { name: 'Save' }).click();
    await ward.getByText('Typed without a server.').waitFor();
    await ward.getByText('Changed meanwhile.').waitFor();
    await ward.getByRole('heading', { name: 'Lise Meitner' }).waitFor();
    await ward.locator('#dismissed-section').waitFor({ state: 'hidden' });
    await moved.update({ ward: 'South' });
    await ward.getByRole('heading', { name: 'Lise Meitner' }).waitFor({ state: 'detached' });
  });

  test('keeps a message that could not be sent over a reload, and sends it once', async () => {
    const grace = await windows.openAs('grace', '/room?name=tower');
    await people(grace).getByText('grace').waitFor();
    await grace.context().setOffline(true);
    await grace.getByRole('status').getByText('Offline').waitFor();
    await grace.getByText('You are offline.').waitFor();
    await say(grace, 'Is anybody there?');
    await grace.getByText('Waiting for the connection').waitFor();
    await grace.context().setOffline(false);
    await grace.reload();
    await grace.locator('.message:not(.pending)').getByText('Is anybody there?').waitFor();
    expect(await Message.count({ where: { text: 'Is anybody there?' } })).toBe(1);
  });

  test('does not lose a discharge that was refused by the network, and does it at the next try', async () => {
    const grace = await windows.openAs('grace', '/patients');
    await grace.getByRole('heading', { name: 'Pierre Curie' }).waitFor();
    await grace.context().setOffline(true);
    await grace.getByText('You are offline.').waitFor();
    await grace.getByRole('button', { name: 'Discharge Pierre Curie' }).click();
    await grace.getByRole('button', { name: 'Discharge', exact: true }).click();
    await grace.getByRole('alert').getByText('Pierre Curie was not discharged.').waitFor();
    await grace.context().setOffline(false);
    await connected(grace);
    await grace.getByRole('button', { name: 'Try again' }).click();
    await grace.getByText('Pierre Curie was discharged.').waitFor();
  });

  test('goes to the sign-in page when its session ends in another window', async () => {
    const ada = await windows.openAs('ada', '/room?name=lobby');
    const alan = await windows.openAs('alan', '/room?name=lobby');
    const other = await windows.add(ada.context(), '/patients');
    await people(alan).getByText('ada').waitFor();
    await connected(other);
    await other.getByRole('button', { name: 'Sign out' }).click();
    await ada.getByText('You are signed out, in all windows of this browser.').waitFor();
    await other.getByText('You are signed out, in all windows of this browser.').waitFor();
    await people(alan).getByText('ada').waitFor({ state: 'detached' });
    await ada.goto('/patients');
    await ada.waitForURL('**/sign-in?next=%2Fpatients');
  });
});
