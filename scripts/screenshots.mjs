// Makes the pictures of docs/images anew: `npm run build && npx tsc -p example-app && node scripts/screenshots.mjs`
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('..', import.meta.url));
const images = fileURLToPath(new URL('../docs/images', import.meta.url));
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const program = spawn(process.execPath, ['example-app/dist/main.js'], {
  cwd: root,
  env: { PATH: process.env.PATH, PORT: '0', DATABASE_URL: 'sqlite::memory:' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const browser = await chromium.launch({ executablePath, args: ['--headless', '--no-sandbox', '--disable-gpu'] });
try {
  await mkdir(images, { recursive: true });
  await takePictures(await addressOf(program));
} finally {
  await browser.close();
  program.kill();
}

async function addressOf({ stdout }) {
  for await (const line of createInterface(stdout)) {
    const [address] = /http:\S+/.exec(line) ?? [];
    if (address !== undefined) return address;
  }
  throw new Error('The example app has ended.');
}

async function takePictures(baseURL) {
  const viewport = { width: 564, height: 624 };
  const openAs = async (username, path) => {
    const context = await browser.newContext({ baseURL, viewport, reducedMotion: 'reduce', locale: 'en-GB' });
    await context.request.post('/api/auth/login', { data: { username, password: `${username}-demo` } });
    const page = await context.newPage();
    await page.goto(path);
    await page.getByText('Connected', { exact: true }).waitFor();
    return page;
  };

  const grace = await openAs('grace', '/room?name=Ward North');
  const alan = await openAs('alan', '/room?name=Ward North');
  await grace.getByText('alan joined').waitFor();
  const say = async (page, text) => {
    await page.getByLabel('Message').fill(text);
    await page.keyboard.press('Enter');
    for (const one of [grace, alan]) await one.locator('.message:not(.pending)').getByText(text).waitFor();
  };
  await say(alan, 'Rosalind is back from X-ray.');
  await say(grace, 'I will look at the pictures before the round.');
  await say(alan, 'Pierre asks when he may get up.');
  await say(alan, 'I told him to ask again tomorrow.');
  await alan.getByLabel('Message').fill('Bed 4 is');
  await sideBySide('chat', grace, alan);

  for (const page of [grace, alan]) {
    await page.goto('/patients');
    await page.getByText('Connected', { exact: true }).waitFor();
  }
  await grace.getByRole('button', { name: 'Admit a patient' }).click();
  await grace.getByLabel('First name').fill('Lise');
  await grace.getByLabel('Note').fill('Sprained ankle.');
  await grace.getByLabel('Last name').fill('Meitner');
  await grace.keyboard.press('Enter');
  await grace.mouse.move(0, 0);
  for (const page of [grace, alan]) await page.getByText('Lise Meitner has come').waitFor();
  await sideBySide('patients', grace, alan);
}

/** Two windows in one picture. */
async function sideBySide(name, ...pages) {
  const shots = await Promise.all(pages.map((page) => page.screenshot()));
  const pair = await browser.newPage({ viewport: { width: 1200, height: 672 } });
  const windows = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString('base64')}">`);
  await pair.setContent(`
    <style>
      body { display: flex; gap: 24px; margin: 0; padding: 24px; background: #dfe7e4; }
      img { border-radius: 10px; box-shadow: 0 0 0 1px #b9c6c1; }
    </style>
    ${windows.join('')}`);
  const picture = await pair.screenshot();
  const webp = await pair.evaluate(toWebp, picture.toString('base64'));
  await writeFile(`${images}/${name}.webp`, webp.split(',')[1], 'base64');
  await pair.close();
}

/** Runs in the page: half the size of a PNG. */
async function toWebp(png) {
  const { Image, document } = globalThis;
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/webp', 0.9);
}
