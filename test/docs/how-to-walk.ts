import type { Program } from './how-to-program.js';
import type { Reader } from './how-to-reader.js';
import type { CodeBlock } from './markdown.js';

const SERVER = /^(?:\w+=\S+ )*node (?:--\S+ )*server\.js$/m;
const TERMINAL = /^npx wscat (?!.* -x )/m;
const TESTS = /node --test|npx (?:jest|vitest)/;
const ON_TERMINAL = /^(?:[<>] |Connected|Disconnected|error: )/;

/**
 * Goes through the blocks of a page as its reader does: writes the files, types the commands, and compares what the page shows with what
 * comes. A text belongs to the command above it, or, if it looks like that, to the terminal of wscat.
 */
export class Walk {
  readonly reader: Reader;
  /** By the command that has started them. */
  readonly #servers = new Map<string, Program>();
  #terminal: Program | undefined;
  /** What the last command has printed. */
  #output = '';

  constructor(reader: Reader) {
    this.reader = reader;
  }

  async follow(block: CodeBlock): Promise<void> {
    if (block.language === 'sh') await this.#type(block);
    else if (block.language === 'text') await this.#compare(block.code.trim().split('\n'));
    else await this.reader.write(block);
  }

  /** Starts a server, anew if it is there. */
  async start(command = 'node server.js\n'): Promise<void> {
    await this.#servers.get(command)?.stop();
    const server = this.reader.open({ code: command });
    this.#servers.set(command, server);
    await server.prints('http://localhost');
    this.#output = server.output;
  }

  /** Ends a server, and returns its status. */
  async stop(command: string, signal?: 'SIGTERM'): Promise<number | null | undefined> {
    const server = this.#servers.get(command);
    await server?.stop(signal);
    return server?.ended;
  }

  /** Types a line into the open terminal, which then shows a text. */
  async says(line: string, shown: string): Promise<void> {
    this.#opened.typeLine(line);
    await this.#opened.prints(shown);
  }

  get #opened(): Program {
    if (this.#terminal === undefined) throw new Error('No terminal is open.');
    return this.#terminal;
  }

  async #type(block: CodeBlock): Promise<void> {
    if (SERVER.test(block.code)) {
      await this.start(block.code);
    } else if (TERMINAL.test(block.code)) {
      await this.#terminal?.stop();
      this.#terminal = this.reader.open(block);
    } else {
      this.#output = await this.reader.type(block);
      // How long a test took is on its line.
      if (TESTS.test(block.code)) this.#output = this.#output.replaceAll(/ \([\d.]+ ?m?s\)$/gm, '');
    }
  }

  async #compare(lines: readonly string[]): Promise<void> {
    if (!ON_TERMINAL.test(lines[0] ?? '')) {
      const printed = this.#output.split('\n').map((line) => line.trim());
      expect(printed.filter((line) => lines.includes(line))).toEqual(lines);
      return;
    }
    for (const line of lines) {
      if (line.startsWith('> ')) this.#opened.typeLine(line.slice(2));
      else await this.#opened.prints(line);
    }
  }
}
