/** A piece of a route's path: literal text, or a parameter. */
export type PathPart = string | { readonly parameter: string; readonly wildcard: boolean };

/** One way to write a route's path, with exactly these parameters. */
export interface RouteTemplate {
  readonly parts: readonly PathPart[];
  readonly parameters: readonly string[];
}

/** Beyond this, a path of many optional groups is no longer a path that somebody maps an action to. */
const MAX_VARIANTS = 64;

/**
 * Reads a path of Express 4 or 5: `:name`, `:"quoted name"`, `*wildcard`, `{optional}`, `:name?`, `:name(pattern)` and `\` escapes.
 * A path with optional parts is several templates, one for each set of parameters.
 *
 * @returns undefined for a path that can't be written from parameters (unnamed groups, patterns outside parameters)
 */
export function readTemplates(path: string): readonly RouteTemplate[] | undefined {
  const reader = new PathReader(path);
  const variants = reader.read();
  if (variants === undefined || !reader.atEnd) return undefined;
  return variants.map((parts) => ({
    parts: joinText(parts),
    parameters: parts.flatMap((part) => (typeof part === 'string' ? [] : [part.parameter])),
  }));
}

class PathReader {
  readonly #path: string;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get atEnd(): boolean {
    return this.#at >= this.#path.length;
  }

  /** All variants up to the end or to the brace that closes a group. */
  read(): PathPart[][] | undefined {
    let variants: PathPart[][] = [[]];
    while (!this.atEnd) {
      const char = this.#path.charAt(this.#at);
      if (char === '}') return variants;
      const next = char === '{' ? this.#group() : this.#piece(char);
      if (next === undefined) return undefined;
      variants = variants.flatMap((before) => next.map((after) => [...before, ...after]));
      if (variants.length > MAX_VARIANTS) return undefined;
    }
    return variants;
  }

  #group(): PathPart[][] | undefined {
    this.#at += 1;
    const inside = this.read();
    if (inside === undefined || this.#path.charAt(this.#at) !== '}') return undefined;
    this.#at += 1;
    return [...inside, []];
  }

  #piece(char: string): PathPart[][] | undefined {
    if (char === ':') return this.#parameter(false);
    if (char === '*') return this.#parameter(true);
    if ('()[]+?!'.includes(char)) return undefined;
    if (char === '\\') this.#at += 1;
    const text = this.#path.charAt(this.#at);
    this.#at += 1;
    return text === '' ? undefined : [[text]];
  }

  #parameter(wildcard: boolean): PathPart[][] | undefined {
    this.#at += 1;
    const parameter = this.#name();
    if (parameter === undefined || (this.#path.charAt(this.#at) === '(' && !this.#skipPattern())) return undefined;
    const part = [{ parameter, wildcard }];
    // Express 4 writes an optional parameter with a question mark, and the slash before it goes with it.
    if (this.#path.charAt(this.#at) !== '?') return [part];
    this.#at += 1;
    return [part, []];
  }

  #name(): string | undefined {
    const quoted = /^"((?:[^"\\]|\\.)+)"/.exec(this.#path.slice(this.#at));
    const found = quoted ?? /^[\p{ID_Start}$_][\p{ID_Continue}$]*/u.exec(this.#path.slice(this.#at));
    if (found === null) return undefined;
    this.#at += found[0].length;
    return quoted?.[1]?.replace(/\\(.)/g, '$1') ?? found[0];
  }

  /** A parameter's own pattern does not matter for writing a path: the route's matcher has the last word. */
  #skipPattern(): boolean {
    let depth = 0;
    for (; !this.atEnd; this.#at += 1) {
      const char = this.#path.charAt(this.#at);
      if (char === '\\') this.#at += 1;
      else if (char === '(') depth += 1;
      else if (char === ')') {
        depth -= 1;
        if (depth === 0) {
          this.#at += 1;
          return true;
        }
      }
    }
    return false;
  }
}

function joinText(parts: readonly PathPart[]): PathPart[] {
  const joined: PathPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (typeof part === 'string' && typeof last === 'string') joined[joined.length - 1] = last + part;
    else joined.push(part);
  }
  return joined;
}

/**
 * Writes a path from parameters. Each value becomes one segment, encoded, so that it can't lead to another route.
 *
 * @throws TypeError for a value that can't be a segment: no text, number or boolean; empty, `.`, `..`; a NUL; half a character
 */
export function writePath(template: RouteTemplate, values: ReadonlyMap<string, unknown>): string {
  let path = '';
  for (const part of template.parts) {
    if (typeof part === 'string') path += part;
    else path += writeParameter(part.parameter, values.get(part.parameter), part.wildcard);
  }
  // Without its parameter an optional group may leave nothing, or the slash that Express takes or leaves.
  return path === '' ? '/' : path;
}

function writeParameter(name: string, value: unknown, wildcard: boolean): string {
  if (wildcard && Array.isArray(value) && value.length > 0)
    return value.map((item: unknown) => writeSegment(name, item)).join('/');
  return writeSegment(name, value);
}

function writeSegment(name: string, value: unknown): string {
  const text = typeof value === 'string' ? value : isPlainScalar(value) ? String(value) : undefined;
  if (text === undefined) throw new TypeError(`Expected parameter "${name}" to be a text, a number or a boolean.`);
  if (text === '' || text === '.' || text === '..' || text.includes('\0') || /\p{Surrogate}/u.test(text)) {
    throw new TypeError(`Expected parameter "${name}" to be a path segment.`);
  }
  return encodeURIComponent(text);
}

function isPlainScalar(value: unknown): value is number | boolean {
  return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
}
