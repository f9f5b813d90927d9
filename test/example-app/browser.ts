import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
export const chromiumMissing = existsSync(executablePath)
  ? undefined
  : `there is no browser at ${executablePath}; CHROMIUM names another`;

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const launchChromium = (): Promise<Browser> => chromium.launch({ executablePath, args });

export const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

/** Opens windows of a browser that share nothing, as those of different users, and notes what their consoles complain about. */
export class Windows {
  readonly faults: string[] = [];
  readonly #browser: Browser;
  readonly #origin: string;

  constructor(browser: Browser, origin: string) {
    this.#browser = browser;
    this.#origin = origin;
  }

  async open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ baseURL: this.#origin, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(10_000);
    return this.add(await context.newPage(), path);
  }

  /** A window in which somebody is signed in already. */
  async openAs(username: string, path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ baseURL: this.#origin, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(10_000);
    const answer = await context.request.post('/api/auth/login', { data: { username, password: `${username}-demo` } });
    if (!answer.ok()) throw new Error(`${username} can't log in: ${await answer.text()}`);
    return this.add(await context.newPage(), path);
  }

  /** Another window of the same browser. */
  async add(page: Page, path: string): Promise<Page> {
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('console', (message) => {
      // The browser itself notes each answer from 400 on, and each socket that can't be opened.
      if (message.type() === 'error' && !/^(Failed to load resource|WebSocket connection to)/.test(message.text()))
        this.faults.push(message.text());
    });
    await page.goto(path);
    return page;
  }

  async close(): Promise<void> {
    for (const context of this.#browser.contexts()) await context.close();
  }
}

/** Runs in the page: every text whose contrast is below 4.5 to 1, with its contrast. */
export const faintTexts = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const { backgroundColor } = getComputedStyle(e);
      if ((channels(backgroundColor)[3] ?? 1) > 0) return backgroundColor;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const ownText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (!ownText && element.tagName !== 'TEXTAREA') continue;
    if (element.disabled || !element.checkVisibility()) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faint.push(element.textContent.trim().slice(0, 40) + ': ' + contrast.toFixed(2));
  }
  return faint;
})()`;
