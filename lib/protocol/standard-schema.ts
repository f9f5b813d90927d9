import { inspect } from 'node:util';

import { ValidationError } from './errors.js';

/**
 * A schema of any library that follows Standard Schema, version 1 (https://standardschema.dev): zod, valibot, arktype and others. Only
 * what is needed of it.
 */
export interface StandardSchema<Output = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
  };
}

/** The value as the schema made it, or what is wrong with it. */
export type SchemaResult<Output> =
  { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, and where. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** @throws TypeError for what is no schema */
export function checkSchema(schema: unknown): void {
  const standard: unknown = Reflect.get(Object(schema), '~standard');
  if (typeof Reflect.get(Object(standard), 'validate') !== 'function')
    throw new TypeError(
      `Expected \`schema\` to follow Standard Schema (zod, valibot, arktype, …), got ${inspect(schema, { depth: 0 })}.`,
    );
}

/**
 * Parses a value by a schema.
 *
 * @throws {@link ValidationError} with all issues, by field; those of no field are `non_field_errors`
 */
export async function parseBySchema<Output>(schema: StandardSchema<Output>, value: unknown): Promise<Output> {
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result.value;
  const fields = new Map<string, string[]>();
  for (const { path, message } of result.issues) {
    const field = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.') || 'non_field_errors';
    fields.set(field, [...(fields.get(field) ?? []), message]);
  }
  throw new ValidationError(Object.fromEntries(fields));
}
