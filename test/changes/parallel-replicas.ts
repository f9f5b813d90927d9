import type { RowChange } from '../../lib/changes/row-change.js';
import { Item, ItemTag } from './parallel-models.js';

/** A row in short, as it is compared. */
export type Row = string;

export interface Tables {
  readonly rows: ReadonlyMap<number, Row>;
  readonly rooms: ReadonlyMap<number, number>;
  readonly tags: ReadonlyMap<number, string>;
}

/** What is stored. */
export async function readTables(): Promise<Tables> {
  const items = await Item.findAll();
  const links = await ItemTag.findAll();
  const tags = new Map(items.map(({ id }) => [id, listed(links.filter(({ itemId }) => itemId === id))]));
  return {
    rows: new Map(items.map((item) => [item.id, inShort(item)])),
    rooms: new Map(items.map(({ id, room }) => [id, room])),
    tags,
  };
}

/** What one subscriber knows of the rows by what was published, and what it was surprised by. */
export interface Replica {
  readonly name: string;
  /** Contradictions to what was published before; of no meaning once something was missed. */
  readonly surprises: string[];
  /** Changes of a row that are older than what was published of it before, and other errors. */
  readonly faults: string[];
  /** @returns whether it has to read again */
  apply(changes: readonly RowChange<Item>[]): boolean;
  /** The first difference from what is stored; undefined if there is none. */
  difference(tables: Tables): string | undefined;
  /** Reads again. */
  reset(tables: Tables): void;
}

/** All rows. */
export class RowReplica implements Replica {
  readonly name: string = 'rows';
  readonly surprises: string[] = [];
  readonly faults: string[] = [];
  #rows = new Map<number, Row>();
  readonly #versions = new Map<number, number>();

  apply(changes: readonly RowChange<Item>[]): boolean {
    for (const { kind, after } of changes) {
      const { id } = after;
      if (this.#rows.has(id) === (kind === 'create'))
        this.surprises.push(`row ${id} ${kind} ${inShort(after)}, known as ${String(this.#rows.get(id))}`);
      if (kind === 'delete') this.#rows.delete(id);
      else this.#rows.set(id, inShort(after));
      this.#check(kind, after);
    }
    return false;
  }

  difference({ rows }: Tables): string | undefined {
    return firstDifference(this.#rows, rows);
  }

  reset({ rows }: Tables): void {
    this.#rows = new Map(rows);
  }

  #check(kind: string, row: Item): void {
    // Of a deleted row its key may be all that is known.
    const version: unknown = row.get('version');
    const last = this.#versions.get(row.id) ?? 0;
    if (typeof version !== 'number') return;
    if (version < last) this.faults.push(`row ${row.id} ${kind} ${inShort(row)} after version ${last}`);
    this.#versions.set(row.id, Math.max(version, last));
  }
}

/** The rows of each room: a change by which a row leaves a room is a delete there. It is understood as by lib/observers/row-events.ts. */
export class RoomReplica implements Replica {
  readonly name = 'rooms';
  readonly surprises: string[] = [];
  readonly faults: string[] = [];
  readonly #rooms = new Map<number, Map<number, Row>>();

  apply(changes: readonly RowChange<Item>[]): boolean {
    let isUnclear = false;
    for (const { kind, before, after } of changes) {
      const to = kind === 'delete' ? undefined : after.room;
      // An update of which nothing is known before is taken for one that moves no row.
      const from = kind === 'create' ? undefined : (before?.room ?? to);
      isUnclear ||= from === undefined && to === undefined;
      const what = `row ${after.id} ${kind} ${inShort(after)} from room ${String(from)}${before === undefined ? ' (not known)' : ''} to ${String(to)}`;
      if (from !== undefined && !this.#of(from).has(after.id)) this.surprises.push(`${what}, but it was not there`);
      if (to !== undefined && to !== from && this.#of(to).has(after.id)) this.surprises.push(`${what}, but it was there`);
      if (from !== undefined) this.#of(from).delete(after.id);
      if (to !== undefined) this.#of(to).set(after.id, inShort(after));
    }
    return isUnclear;
  }

  difference({ rows, rooms }: Tables): string | undefined {
    for (const room of new Set([...this.#rooms.keys(), ...rooms.values()])) {
      const stored = new Map([...rows].filter(([id]) => rooms.get(id) === room));
      const difference = firstDifference(this.#of(room), stored);
      if (difference !== undefined) return `room ${room}: ${difference}`;
    }
    return undefined;
  }

  reset({ rows, rooms }: Tables): void {
    this.#rooms.clear();
    for (const [id, row] of rows) this.#of(rooms.get(id) ?? -1).set(id, row);
  }

  #of(room: number): Map<number, Row> {
    const rows = this.#rooms.get(room) ?? new Map<number, Row>();
    this.#rooms.set(room, rows);
    return rows;
  }
}

/** All rows with their tags, which are read again when something of the row is published. */
export class TagReplica extends RowReplica {
  override readonly name = 'tags';
  #tags = new Map<number, string>();
  /** Rows whose tags are being read, and whether they have changed since. */
  readonly #reading = new Map<number, boolean>();

  get isReading(): boolean {
    return this.#reading.size > 0;
  }

  override apply(changes: readonly RowChange<Item>[]): boolean {
    super.apply(changes);
    for (const { kind, after } of changes) {
      if (kind === 'delete') this.#tags.delete(after.id);
      if (this.#reading.has(after.id)) this.#reading.set(after.id, true);
      else if (kind !== 'delete') void this.#read(after.id);
    }
    return false;
  }

  override difference(tables: Tables): string | undefined {
    if (this.isReading) return 'tags are being read';
    return super.difference(tables) ?? firstDifference(this.#tags, tables.tags);
  }

  override reset(tables: Tables): void {
    super.reset(tables);
    this.#tags = new Map(tables.tags);
  }

  async #read(id: number): Promise<void> {
    do {
      this.#reading.set(id, false);
      try {
        const isThere = (await Item.count({ where: { id } })) > 0;
        const tags = listed(await ItemTag.findAll({ where: { itemId: id } }));
        if (isThere) this.#tags.set(id, tags);
        else this.#tags.delete(id);
      } catch (error) {
        this.faults.push(`tags of row ${id}: ${String(error)}`);
      }
    } while (this.#reading.get(id) === true);
    this.#reading.delete(id);
  }
}

export function inShort({ id, code, worker, room, n, late, version }: Item): Row {
  return JSON.stringify({ id, code, worker, room, n, late, version });
}

function listed(links: readonly ItemTag[]): string {
  return links
    .map(({ tagId }) => tagId)
    .sort()
    .join(',');
}

function firstDifference(known: ReadonlyMap<number, string>, stored: ReadonlyMap<number, string>): string | undefined {
  for (const id of new Set([...stored.keys(), ...known.keys()])) {
    if (known.get(id) !== stored.get(id))
      return `row ${id} is known as ${String(known.get(id))}, and stored as ${String(stored.get(id))}`;
  }
  return undefined;
}
