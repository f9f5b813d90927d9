import { type Model, type ModelStatic, QueryTypes } from 'sequelize';
import type { RowChange } from '../../lib/changes/row-change.js';
import { until } from '../support/socket-client.js';
import { record, type Recording, type RecordingOptions } from './databases.js';

/** In milliseconds. Nothing that is published here takes as long, not even behind a look-up that was given up. */
const LONGEST_MS = 2_000;

/** The rows of a model as a subscriber knows them: those that there were when it came, and what was published from then on. */
export class Copy<M extends Model> {
  readonly recording: Recording<M>;
  readonly #model: ModelStatic<M>;
  readonly #rows: Map<string, string>;
  /** Events that contradict what was published before. */
  readonly #faults: string[] = [];
  readonly #changed = new Set<string>();

  private constructor(model: ModelStatic<M>, rows: Map<string, string>, options: RecordingOptions<M>) {
    this.#model = model;
    this.#rows = rows;
    this.recording = record(model, {
      needsBefore: true,
      ...options,
      committed: (changes) => {
        for (const change of changes) this.#apply(change);
      },
    });
  }

  static async of<M extends Model>(model: ModelStatic<M>, options: RecordingOptions<M> = {}): Promise<Copy<M>> {
    return new Copy(model, await storedRows(model), options);
  }

  /** Holds that all that has been written was published, and nothing else. */
  async expectExact(): Promise<void> {
    const { stored } = await this.#settled(() => false);
    this.#expectRows(stored);
  }

  /** Holds that what was published of one transaction is right, and that it is all, or that subscribers have to read again. */
  async expectExactOrMissed(): Promise<void> {
    const { stored, isMissed } = await this.#settled(() => this.recording.missedTimes > 0);
    if (!isMissed) {
      this.#expectRows(stored);
      return;
    }
    const wrong = [...this.#changed].filter((key) => this.#rows.get(key) !== stored.get(key));
    expect({ faults: this.#faults, wrong }).toEqual({ faults: [], wrong: [] });
  }

  /** Waits for what is to come, and for what must not come behind it. */
  async #settled(isMissed: () => boolean): Promise<{ stored: Map<string, string>; isMissed: boolean }> {
    const stored = await storedRows(this.#model);
    const isCopied = (): boolean =>
      stored.size === this.#rows.size && [...stored].every(([key, row]) => this.#rows.get(key) === row);
    await until(() => isMissed() || isCopied(), LONGEST_MS).catch(() => undefined);
    for (let turn = 0; turn < 5; turn += 1)
      await this.#model.sequelize?.query('SELECT 1', { transaction: null, type: QueryTypes.SELECT });
    return { stored, isMissed: isMissed() };
  }

  #expectRows(stored: ReadonlyMap<string, string>): void {
    const { errors, missedTimes } = this.recording;
    expect({ faults: this.#faults, errors: [...errors], missedTimes, rows: Object.fromEntries(this.#rows) }).toEqual({
      faults: [],
      errors: [],
      missedTimes: 0,
      rows: Object.fromEntries(stored),
    });
  }

  #apply({ kind, pk, before, after }: RowChange<M>): void {
    const key = keyText(pk);
    const known = this.#rows.get(key);
    if ((kind === 'create') === (known !== undefined)) this.#faults.push(`${kind} of ${key}, which is ${known ?? 'not there'}`);
    if (kind !== 'create' && before !== undefined && rowText(before) !== known)
      this.#faults.push(`${kind} of ${key} with ${rowText(before)} before, which is ${known ?? 'not there'}`);
    this.#changed.add(key);
    if (kind === 'delete') this.#rows.delete(key);
    else this.#rows.set(key, rowText(after));
  }
}

async function storedRows(model: ModelStatic<Model>): Promise<Map<string, string>> {
  const rows = await model.unscoped().findAll({ transaction: null });
  return new Map(rows.map((row) => [keyText(row.get(model.primaryKeyAttribute)), rowText(row)]));
}

/** A key, or another value, as it is compared. */
function keyText(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return value instanceof Date ? value.toISOString() : String(value);
}

function rowText(row: Model): string {
  const values: unknown = row.get();
  return Object.entries<unknown>({ ...(values ?? {}) })
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, value]) => `${name} ${keyText(value)}`)
    .join(', ');
}
