/** The headers of header lines, which are names and values in turn as `req.rawHeaders` has them. */
export function headersOf(headerLines: readonly string[]): readonly (readonly [name: string, value: string])[] {
  const headers: [string, string][] = [];
  let name: string | undefined;
  for (const text of headerLines) {
    if (name === undefined) {
      name = text;
      continue;
    }
    headers.push([name, text]);
    name = undefined;
  }
  return headers;
}
