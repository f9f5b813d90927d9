/** Text without fenced blocks and code in the line, where a link is none and a heading neither. */
export function proseOf(text: string): string {
  return text.replaceAll(/^( *)(`{3,})[^\n]*\n[\s\S]*?^ *\2$/gm, '').replaceAll(/`[^`\n]*`/g, (code) => '`'.repeat(code.length));
}

/** The anchors of a page of Markdown, as GitHub makes them of headings, and those that it sets itself. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id));
  const seen = new Map<string, number>();
  const outside = text.replaceAll(/^( *)(`{3,})[^\n]*\n[\s\S]*?^ *\2$/gm, '');
  for (const [, heading = ''] of outside.matchAll(/^#{1,6} (.+)$/gm)) {
    const shown = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = shown
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${String(count)}`);
  }
  return anchors;
}
