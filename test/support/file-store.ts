import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import session, { type SessionData } from 'express-session';

type Done<Value = void> = (error?: unknown, value?: Value) => void;

/** A session store that several processes share: a folder with one file for each session. */
export class FileStore extends session.Store {
  readonly #folder: string;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override get(id: string, done: Done<SessionData | null>): void {
    settle(this.#read(id), done);
  }

  override set(id: string, data: SessionData, done?: Done): void {
    settle(this.#write(id, data), done);
  }

  override destroy(id: string, done?: Done): void {
    settle(rm(this.#pathOf(id), { force: true }), done);
  }

  /** The sessions in which a user has logged in by passport. */
  async idsOf(name: string): Promise<readonly string[]> {
    const ids = await readdir(this.#folder);
    const sessions = await Promise.all(ids.map(async (id) => ({ id, data: await this.#read(id) })));
    return sessions.filter(({ data }) => isOf(data, name)).map(({ id }) => id);
  }

  async #read(id: string): Promise<SessionData | null> {
    const text = await readFile(this.#pathOf(id), 'utf8').catch(() => null);
    return text === null ? null : (JSON.parse(text) as SessionData);
  }

  /** As a whole or not at all: another process may be reading. */
  async #write(id: string, data: SessionData): Promise<void> {
    const draft = join(this.#folder, '..', randomUUID());
    await writeFile(draft, JSON.stringify(data));
    await rename(draft, this.#pathOf(id));
  }

  #pathOf(id: string): string {
    return join(this.#folder, encodeURIComponent(id));
  }
}

function isOf(data: object | null, name: string): boolean {
  if (data === null || !('passport' in data)) return false;
  const { passport } = data;
  return typeof passport === 'object' && passport !== null && 'user' in passport && passport.user === name;
}

function settle<Value>(work: Promise<Value>, done: Done<Value> | undefined): void {
  work.then(
    (value) => done?.(null, value),
    (error: unknown) => done?.(error),
  );
}
