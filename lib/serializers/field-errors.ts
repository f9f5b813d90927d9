import { isObject } from '../protocol/envelope.js';
import { ValidationError } from '../protocol/errors.js';

/** Where texts go that concern no single field. */
export const NON_FIELD_ERRORS = 'non_field_errors';

/** What is wrong with the fields of one input, all of it told at once. */
export class FieldErrors {
  readonly #texts = new Map<string, unknown[]>();

  get isEmpty(): boolean {
    return this.#texts.size === 0;
  }

  add(field: string, ...texts: readonly unknown[]): void {
    this.#texts.set(field, [...(this.#texts.get(field) ?? []), ...texts]);
  }

  /** Runs a check of one field; a ValidationError that it throws is noted under the field. */
  attempt<T>(field: string, check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof ValidationError)) throw error;
      this.add(field, ...toList(error.detail));
      return undefined;
    }
  }

  /** Takes over the fields of a ValidationError; anything else is thrown. */
  addAll(error: unknown): void {
    if (!(error instanceof ValidationError) || !isObject(error.detail)) throw error;
    for (const [field, texts] of Object.entries(error.detail)) this.add(field, ...toList(texts));
  }

  throwIfAny(): void {
    if (!this.isEmpty) throw this.toError();
  }

  toError(cause?: unknown): ValidationError {
    return new ValidationError(Object.fromEntries(this.#texts), cause === undefined ? {} : { cause });
  }
}

function toList(detail: unknown): readonly unknown[] {
  return Array.isArray(detail) ? detail : [detail];
}
