import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';

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

/** Windows of users who share nothing, and what their consoles complain about. */
export class Windows {
  readonly #browser: Browser;
  readonly #origin: string;
  /** A browser of each user, for all tests of a file. */
  readonly #users = new Map<string, Promise<BrowserContext>>();
  readonly #pages = new Set<Page>();
  readonly #faults: string[] = [];

  constructor(browser: Browser, origin: string) {
    this.#browser = browser;
    this.#origin = origin;
  }

  /** A window in which nobody is signed in. */
  async open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    return this.add(await this.#context(options), path);
  }

  /** A window in which somebody is signed in; a second one of the same user is of the same browser. */
  async openAs(username: string, path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const name = `${username} ${JSON.stringify(options)}`;
    const context = this.#users.get(name) ?? this.#signIn(username, options);
    this.#users.set(name, context);
    return this.add(await context, path);
  }

  async #signIn(username: string, options: BrowserContextOptions): Promise<BrowserContext> {
    const context = await this.#context(options);
    const answer = await context.request.post('/api/auth/login', { data: { username, password: `${username}-demo` } });
    if (!answer.ok()) throw new Error(`${username} can't log in: ${await answer.text()}`);
    return context;
  }

  async #context(options: BrowserContextOptions): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ baseURL: this.#origin, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(20_000);
    return context;
  }

  /** Another window of the same browser. */
  async add(context: BrowserContext, path: string): Promise<Page> {
    const page = await context.newPage();
    this.#pages.add(page);
    page.on('pageerror', (error) => this.#faults.push(error.message));
    page.on('console', (message) => {
      // The browser itself notes each answer from 400 on, and each socket that can't be opened.
      if (message.type() === 'error' && !/^(Failed to load resource|WebSocket connection to)/.test(message.text()))
        this.#faults.push(message.text());
    });
    await page.goto(path);
    return page;
  }

  /** Closes the windows of a test. Returns the errors of their scripts, and what the content security policy has refused. */
  async close(): Promise<string[]> {
    for (const page of this.#pages) await page.close();
    this.#pages.clear();
    return this.#faults.splice(0);
  }
}

/** What axe finds on the page that keeps somebody out: rules of WCAG 2.2 A and AA, and good practice. */
export async function barriersOf(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate<string[]>(`axe.run().then(({ violations }) =>
    violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => id + ': ' + target + ': ' + failureSummary)))`);
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
