import { readFileSync } from 'node:fs';

/** Any value of JSON; in an expectation, also one of the matchers of match.ts. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, Json>>;

/** A change of the database; `op` says which, the other keys are its own. */
export interface Operation {
  readonly op: string;
  readonly [key: string]: Json;
}

/** A frame that is to arrive. */
export interface ExpectedFrame {
  readonly conn: string;
  readonly frame?: Json;
  /** Base64 of a binary frame. */
  readonly binary?: string;
}

/** One step of a scenario: what is done, and what is to arrive because of it. */
export interface Step {
  readonly send?: Json;
  readonly burst?: boolean;
  readonly sendText?: string;
  readonly sendParts?: readonly (readonly [text: string, times: number])[];
  readonly sendBinary?: string;
  readonly conn?: string;
  readonly connect?: string;
  readonly consumer?: string;
  readonly as?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly accepted?: boolean;
  readonly handshake?: { readonly status: Json };
  readonly disconnect?: string;
  readonly code?: number;
  readonly wait?: number;
  readonly op?: Operation;
  readonly rows?: Json;
  readonly expect?: readonly ExpectedFrame[];
  readonly unordered?: boolean;
  readonly order?: 'request_id';
  readonly closed?: readonly { readonly conn: string; readonly code: number }[];
  readonly pipelined?: boolean;
}

/** A play from an empty database. */
export interface Scenario {
  readonly name: string;
  readonly consumer: string;
  readonly as?: string;
  readonly setup?: readonly Operation[];
  readonly steps: readonly Step[];
}

const SCENARIO_KEYS = new Set(['name', 'consumer', 'as', 'setup', 'steps', 'notes', 'dcrf']);
const STEP_KEYS = new Set([
  'send', 'burst', 'sendText', 'sendParts', 'sendBinary', 'conn', 'connect', 'consumer', 'as', 'headers', 'accepted', 'handshake',
  'disconnect', 'code', 'wait', 'op', 'rows', 'expect', 'unordered', 'order', 'closed', 'pipelined', 'notes',
]); // prettier-ignore

/**
 * Reads a file of scenarios.
 *
 * @throws Error for a key that is not of the format: half a step must not pass for the whole
 */
export function readScenarios(file: string): readonly Scenario[] {
  const scenarios = JSON.parse(readFileSync(file, 'utf8')) as readonly Scenario[];
  for (const scenario of scenarios) {
    refuseUnknown(scenario, SCENARIO_KEYS, scenario.name);
    for (const step of scenario.steps) refuseUnknown(step, STEP_KEYS, scenario.name);
  }
  return scenarios;
}

/** The paths of all consumers that a scenario connects to. */
export function consumersOf({ consumer, steps }: Scenario): readonly string[] {
  return [consumer, ...steps.flatMap((step) => step.consumer ?? [])];
}

function refuseUnknown(part: object, known: ReadonlySet<string>, name: string): void {
  const unknown = Object.keys(part).filter((key) => !known.has(key));
  if (unknown.length > 0) throw new Error(`${name}: unknown keys ${unknown.join(', ')}.`);
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
