import type { Answer, Expected } from './contract.js';

/** The rows that a lane must have, by what it was answered. */
export class Ledger {
  /** JSON texts by primary key. */
  readonly rows = new Map<number, string>();
  /** Samples that were created, less those that were deleted. */
  samples = 0;

  /** Takes note of an answer; returns what contradicts the rows that there are. */
  note({ kind, action, frame = {} }: Expected, { response_status: status, data }: Answer): string | undefined {
    if (kind === 'samples') this.samples += status === 201 ? 1 : action === 'delete' && status === 204 ? -1 : 0;
    if (kind !== 'things') return undefined;
    const asked = typeof frame['pk'] === 'number' ? frame['pk'] : undefined;
    if (status === 404 && asked !== undefined && this.rows.has(asked)) return 'the row is there';
    if (action === 'list' && status === 200) return this.#counts(data);
    if (status === 204) return this.rows.delete(Number(frame['pk'])) ? undefined : 'there was no such row to delete';
    if (status >= 300) return undefined;
    const pk = Number(Reflect.get(Object(data), 'pk'));
    const text = JSON.stringify(data);
    const known = this.rows.get(pk);
    if (action === 'create' ? known !== undefined : known === undefined) return 'another row was created or changed';
    if (action !== 'create' && pk !== Number(frame['pk'])) return 'another row was answered';
    if (action === 'retrieve' && text !== known) return `expected the row to be ${String(known)}`;
    this.rows.set(pk, text);
    return undefined;
  }

  #counts(page: unknown): string | undefined {
    const { count, results } = page as { count: number; results: { pk: number }[] };
    if (count !== this.rows.size) return `expected ${this.rows.size} rows`;
    const wrong = results.find((row) => this.rows.get(row.pk) !== JSON.stringify(row));
    return wrong === undefined ? undefined : `expected row ${wrong.pk} to be ${String(this.rows.get(wrong.pk))}`;
  }
}
