import type { Browser, Page } from 'playwright-core';
import { Op, type Sequelize } from 'sequelize';
import { openDatabase } from '../../example-app/src/database.js';
import { Patient, User } from '../../example-app/src/models.js';
import { seed } from '../../example-app/src/seed.js';
import { describeRequiring } from '../support/requirement.js';
import { chromiumMissing, launchChromium, phone, Windows } from './browser.js';
import { startExample, type Example } from './server.js';

jest.setTimeout(60_000);

describeRequiring(chromiumMissing, 'the patients in Chromium', () => {
  let database: Sequelize;
  let example: Example;
  let browser: Browser;
  let windows: Windows;
  let rows: Patient[];

  beforeAll(async () => {
    database = await openDatabase('sqlite::memory:');
    await seed();
    rows = await Patient.findAll();
    example = await startExample();
    browser = await launchChromium();
    windows = new Windows(browser, `http://${example.host}`);
  }, 60_000);
  beforeEach(async () => {
    await Patient.destroy({ where: {} });
    await Patient.bulkCreate(rows.map((row) => row.get()));
    await User.update({ role: 'nurse' }, { where: { username: 'florence' } });
  });
  afterEach(async () => {
    expect(await windows.close()).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await example.channels.close();
    await database.close();
  });

  const openWard = async (username: string, ward: string, options = {}) => {
    const page = await windows.openAs(username, `/patients#${ward}`, options);
    await page.getByRole('heading', { name: `Ward ${ward}` }).waitFor();
    await page.locator('#ward[aria-busy="false"]').waitFor();
    return page;
  };
  const patient = (page: Page, name: string) => page.getByRole('listitem').filter({ hasText: name });
  const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).click();
  const news = (page: Page, text: string) => page.getByRole('status').getByText(text).waitFor();
  const namesOf = (page: Page) => page.getByRole('listitem').getByRole('heading').allInnerTexts();

  test('shows who is admitted, edited, discharged and readmitted by others, on their own ward alone', async () => {
    const grace = await openWard('grace', 'North');
    const alan = await openWard('alan', 'North', phone);
    const florence = await openWard('florence', 'South');

    await press(grace, 'Admit a patient');
    await grace.getByLabel('First name').fill('Lise');
    await press(grace, 'Admit');
    await grace.getByText('This field may not be blank.').waitFor();
    await grace.getByLabel('Last name').fill('Meitner');
    await grace.keyboard.press('Enter');
    await news(alan, 'Lise Meitner has come to ward North.');
    await patient(alan, 'Lise Meitner').waitFor();

    await press(alan, 'Edit Lise Meitner');
    await alan.getByLabel('Note').fill('Sprained <b>ankle</b>');
    await press(alan, 'Save');
    await patient(grace, 'Lise Meitner').getByText('Sprained <b>ankle</b>').waitFor();
    await news(grace, 'Lise Meitner was edited.');

    await press(grace, 'Discharge Lise Meitner');
    await press(grace, 'Discharge');
    await news(alan, 'Lise Meitner was discharged.');
    await patient(alan, 'Lise Meitner').waitFor({ state: 'hidden' });
    await grace.getByText('Discharged 2').click();
    await press(grace, 'Readmit Lise Meitner');
    await news(alan, 'Lise Meitner was readmitted.');
    await patient(alan, 'Lise Meitner').waitFor();

    expect(await namesOf(florence)).toEqual(['Mary Anning', 'Emil Fischer']);
    expect(await florence.locator('#news').innerText()).toBe('Changes appear here, whoever makes them.');
  });

  test('takes a patient who is moved away from one ward, and gives them to the other', async () => {
    const grace = await openWard('grace', 'North');
    const alan = await openWard('alan', 'North');
    const florence = await openWard('florence', 'South');
    await press(alan, 'Edit Pierre Curie');

    await press(grace, 'Edit Pierre Curie');
    await grace.getByRole('combobox').selectOption('South');
    await press(grace, 'Save');
    await news(grace, 'Pierre Curie has left ward North.');
    await news(florence, 'Pierre Curie has come to ward South.');
    await patient(florence, 'Pierre Curie').getByText('Broken leg, in traction.').waitFor();
    expect(await namesOf(grace)).not.toContain('Pierre Curie');

    await alan.getByText('This patient has left the ward meanwhile.').waitFor();
    expect(await alan.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
  });

  test('sends only what was edited, and tells what others change meanwhile', async () => {
    const grace = await openWard('grace', 'North');
    const alan = await openWard('alan', 'North');
    await press(grace, 'Edit Rosalind Franklin');
    await press(alan, 'Edit Rosalind Franklin');
    await alan.getByLabel('First name').fill('Rosalind Elsie');
    await press(alan, 'Save');
    await grace.getByText('Somebody else has changed this patient: first name is now “Rosalind Elsie”.').waitFor();
    await grace.getByLabel('Note').fill('Photo 51 is ready.');
    await press(grace, 'Save');
    await patient(alan, 'Rosalind Elsie Franklin').getByText('Photo 51 is ready.').waitFor();
  });

  test('lets nurses edit, and says so when somebody may not do something', async () => {
    const alan = await openWard('alan', 'North');
    await alan.getByText('You are a nurse here: you edit.').waitFor();
    expect(await alan.getByRole('button', { name: /^(Admit|Discharge)/ }).count()).toBe(0);
    await press(alan, 'Edit Rosalind Franklin');
    expect(await alan.getByRole('combobox').isDisabled()).toBe(true);

    // The page only spares people the attempt: it is the server that refuses it.
    await alan.evaluate("document.getElementById('ward-field').disabled = false");
    await alan.getByRole('combobox').selectOption('South');
    await press(alan, 'Save');
    await alan.getByRole('alert').getByText('You do not have permission to perform this action.').waitFor();
    expect((await Patient.findOne({ where: { last_name: 'Franklin' }, rejectOnEmpty: true })).ward).toBe('North');

    await User.update({ role: 'guest' }, { where: { username: 'florence' } });
    const guest = await windows.openAs('florence', '/patients');
    await guest.getByText('Your account sees no patients').waitFor();
  });

  test('discharges nobody without asking, also when the list has moved under the pointer', async () => {
    const grace = await openWard('grace', 'North');
    const discharged = () => Patient.count({ where: { ward: 'North', dismissal_date: { [Op.not]: null } } });
    const before = await discharged();
    const button = grace.getByRole('button', { name: 'Discharge Rosalind Franklin' });
    const { x, y, width, height } = (await button.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
    const clickThere = () => grace.mouse.click(x + width / 2, y + height / 2);
    await button.dblclick();
    await grace.getByRole('dialog', { name: 'Discharge Rosalind Franklin?' }).waitFor();
    await press(grace, 'Cancel');
    await clickThere();
    await grace.keyboard.press('Escape');
    expect(await discharged()).toBe(before);

    await clickThere();
    await press(grace, 'Discharge');
    await news(grace, 'Rosalind Franklin was discharged.');
    await clickThere();
    await grace.getByRole('dialog', { name: 'Discharge Pierre Curie?' }).waitFor();
    await grace.keyboard.press('Enter');
    await grace.getByRole('dialog').waitFor({ state: 'hidden' });
    expect(await discharged()).toBe(before + 1);
  });

  test('shows administrators one ward after the other', async () => {
    const ada = await openWard('ada', 'West');
    await patient(ada, 'Dorothy Hodgkin').waitFor();
    await ada.getByRole('radio', { name: 'South' }).check();
    await patient(ada, 'Mary Anning').waitFor();
    expect(await namesOf(ada)).not.toContain('Dorothy Hodgkin');
    // Changes of the ward that is not shown any more are not its business.
    await Patient.update({ note: 'Sleeps.' }, { where: { last_name: 'Hodgkin' } });
    await Patient.update({ note: 'Sleeps too.' }, { where: { last_name: 'Anning' } });
    await patient(ada, 'Mary Anning').getByText('Sleeps too.').waitFor();
    expect(await namesOf(ada)).not.toContain('Dorothy Hodgkin');
  });

  test('keeps the focus where it was, or moves it to the heading', async () => {
    const grace = await openWard('grace', 'North');
    const focused = () => grace.evaluate<string>('document.activeElement.ariaLabel ?? document.activeElement.id');
    await grace.getByRole('button', { name: 'Edit Rosalind' }).focus();
    await Patient.update({ note: 'Asleep.' }, { where: { last_name: 'Franklin' } });
    await patient(grace, 'Rosalind').getByText('Asleep.').waitFor();
    expect(await focused()).toBe('Edit Rosalind Franklin');
    await grace.keyboard.press('Enter');
    await grace.keyboard.press('Escape');
    expect(await focused()).toBe('Edit Rosalind Franklin');
    await Patient.destroy({ where: { last_name: 'Franklin' } });
    await patient(grace, 'Rosalind').waitFor({ state: 'detached' });
    expect(await focused()).toBe('title');
  });
});
