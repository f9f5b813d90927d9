import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';

import { until } from '../support/socket-client.js';

/** One mistake of the page: its heading, and the message that it is known by. */
export interface Entry {
  readonly section: string;
  readonly title: string;
  readonly message: string;
}

/** What docs/TROUBLESHOOTING.md lists, in its order. */
export const entries: readonly Entry[] = readEntries();

/** The message that the page shows under a heading. */
export function messageOf(title: string): string {
  const entry = entries.find((one) => one.title === title);
  if (entry === undefined) throw new Error(`docs/TROUBLESHOOTING.md has no "${title}".`);
  return entry.message;
}

function readEntries(): readonly Entry[] {
  const text = readFileSync(join(__dirname, '../../docs/TROUBLESHOOTING.md'), 'utf8');
  const found: Entry[] = [];
  let section = '';
  for (const [, level, heading = '', body = ''] of text.matchAll(/^(##|###) (.*)\n((?:(?!##).*\n)*)/gm)) {
    const [, message = ''] = /^```text\n([^]*?)\n```$/m.exec(body) ?? [];
    if (level === '##') section = heading;
    // Long ones are broken into lines, to be read without scrolling.
    else found.push({ section, title: heading, message: message.replaceAll('\n', ' ') });
  }
  return found;
}

/**
 * Holds each message of a section: somebody makes the mistake, and meets the message.
 *
 * @param elsewhere - titles of those that another test makes
 */
export function holdSection(
  section: string,
  mistakes: Readonly<Record<string, () => string | Promise<string>>>,
  elsewhere: readonly string[] = [],
): void {
  describe(`docs/TROUBLESHOOTING.md: ${section}`, () => {
    const listed = entries.filter((entry) => entry.section === section && entry.message !== '');

    test('shows these mistakes', () => {
      expect(listed.map(({ title }) => title).sort()).toEqual([...Object.keys(mistakes), ...elsewhere].sort());
    });

    test.each(Object.entries(mistakes))(
      '%s',
      async (title, mistake) => {
        expect(await mistake()).toBe(messageOf(title));
      },
      // Some compile, on a machine that may be busy.
      60_000,
    );
  });
}

/** What is thrown at start-up. */
export function thrownBy(mistake: () => unknown): string {
  try {
    mistake();
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}

/** The first line that is printed on stderr where nobody handles errors. */
export async function printedBy(mistake: () => Promise<unknown>): Promise<string> {
  const print = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  try {
    await mistake();
    await until(() => print.mock.calls.length > 0);
    const [line = ''] = format(...(print.mock.calls[0] ?? [])).split('\n');
    return line;
  } finally {
    print.mockRestore();
  }
}

/** The first warning of the process. */
export async function warnedBy(mistake: () => Promise<unknown>): Promise<string> {
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    await mistake();
    await until(() => warn.mock.calls.length > 0);
    return String(warn.mock.calls[0]?.[0]);
  } finally {
    warn.mockRestore();
  }
}
