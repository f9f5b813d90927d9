// Writes docs/api/ from the TSDoc of lib/, a page a concept; with --check it writes nothing, and fails if the pages are out of date.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { Application, Converter, ReflectionKind } from 'typedoc';

import { concepts } from './api-concepts.mjs';

const OUT = 'docs/api';
const INDEX = 'README.md';

const left = unplaced();
if (left.length > 0) throw new Error(`Expected a concept for each export, found none for ${left.join(', ')}.`);

// In the checkout, so that they find the packages that lib/ imports.
mkdirSync('node_modules/.cache', { recursive: true });
const folder = mkdtempSync(path.resolve('node_modules/.cache/api-'));
try {
  const generated = await generate();
  if (process.argv.includes('--check')) check(generated);
  else write(generated);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The pages, by name. */
async function generate() {
  const out = path.join(folder, 'out');
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    entryPoints: concepts.map(entryPoint),
    tsconfig: tsconfig(),
    // `npm run typecheck` does that.
    skipErrorChecking: true,
    name: 'API reference',
    readme: 'none',
    disableSources: true,
    sort: [],
    sortEntryPoints: false,
    excludeExternals: true,
    // What is referred to and not public is not described.
    validation: { notExported: false, invalidLink: true },
    excludeInternal: false,
    excludePrivate: true,
    excludeProtected: true,
    githubPages: false,
    // TypeDoc empties the folder that it writes to, which is docs/ by default.
    markdown: out,
    cleanOutputDir: false,
    router: 'module',
    hideBreadcrumbs: true,
    hidePageHeader: true,
    hideGroupHeadings: true,
    groupOrder: ['Functions', 'Variables', 'Classes', 'Interfaces', 'Type Aliases'],
    useCodeBlocks: true,
    expandObjects: true,
    expandParameters: true,
    parametersFormat: 'table',
    interfacePropertiesFormat: 'table',
    classPropertiesFormat: 'table',
    typeAliasPropertiesFormat: 'table',
    propertyMembersFormat: 'table',
    typeDeclarationFormat: 'table',
    tableColumnSettings: { hideModifiers: true, hideInherited: true, hideOverrides: true, hideSources: true },
  });
  // Before its members are grouped.
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => hide(project));
  const project = await app.convert();
  if (project === undefined) throw new Error('TypeDoc could not read lib/.');
  await app.generateOutputs(project);
  const texts = new Map(readdirSync(out).map((name) => [name, plain(readFileSync(path.join(out, name), 'utf8'))]));
  const targets = new Map(concepts.flatMap((concept) => targetsOf(concept, texts)));
  for (const [name, text] of texts) texts.set(name, linked(text, name, targets));
  return texts.set(INDEX, index(targets));
}

/** A page without the tables of type parameters that say no more than the signature above them. */
function plain(text) {
  return text.replaceAll(/^#+ Type Parameters\n\n(\| Type Parameter.*\n)(?:\|.*\n)+\n/gm, (table, head) =>
    head.includes('Description') ? table : '',
  );
}

/** Where the names of a concept are described. */
function targetsOf({ title, names }, texts) {
  const page = pageOf(title);
  const anchors = anchorsOf(texts.get(page) ?? '');
  return names.map((name) => {
    if (!anchors.has(name)) throw new Error(`Expected ${page} to describe ${name}.`);
    return [name, { page, anchor: anchors.get(name) }];
  });
}

/** A page whose links lead to headings as GitHub numbers them, which differs for names such as `action` and `Action`. */
function linked(text, name, targets) {
  return text.replaceAll(/\[`(\w+)`\]\((?:[\w-]+\.md)?#[\w-]+\)/g, (link, target) => {
    const { page, anchor } = targets.get(target) ?? {};
    if (page === undefined) return link;
    return `[\`${target}\`](${page === name ? '' : page}#${anchor})`;
  });
}

/** The index: what there is, by concept. */
function index(targets) {
  const rows = concepts.map(({ title, about, guide, names }) => {
    const links = names.map((name) => `[\`${name}\`](${targets.get(name).page}#${targets.get(name).anchor})`);
    return `| **[${title}](${pageOf(title)})** | ${about} [More](../${guide}) | ${links.join(', ')} |\n`;
  });
  return `# API reference

All that \`express-channels\` and \`express-channels/testing\` export, by concept. It is generated from the comments in \`lib/\` by
\`npm run docs:api\`.

| concept | | names |
| --- | --- | --- |
${rows.join('')}`;
}

function pageOf(title) {
  return `${title.replaceAll(' ', '-')}.md`;
}

/** The anchors of a page's headings of the second level, by the name that they are about; one that comes again is numbered. */
function anchorsOf(text) {
  const seen = new Map();
  const anchors = new Map();
  for (const [, level, heading] of text.matchAll(/^(#+) (.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    const name = /(\w+)(?:\(\))?$/.exec(heading)?.[1];
    if (level === '##' && name !== undefined) anchors.set(name, count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/** Names of lib/index.ts that no concept has. */
function unplaced() {
  const placed = new Set(concepts.flatMap(({ names }) => names));
  const lists = readFileSync('lib/index.ts', 'utf8').matchAll(/\{([^}]*)\}/g);
  const names = [...lists].flatMap(([, list]) => list.split(',').map((name) => name.replace(/^\s*(type )?/, '').trim()));
  return names.filter((name) => name !== '' && !placed.has(name));
}

/** Leaves out what is marked as internal, and what is described where it is inherited from. */
function hide(project) {
  for (const reflection of Object.values(project.reflections)) {
    const { comment, inheritedFrom, kind, parent } = reflection;
    const isInternal = comment?.hasModifier('@internal') === true;
    // That a constructor is not the parent's goes without saying.
    delete reflection.overwrites;
    // The implementation of a function with overloads, which is no signature of it, does not take them along.
    if (isInternal && kind === ReflectionKind.Function) delete reflection.comment;
    else if (isInternal && kind === ReflectionKind.ConstructorSignature) project.removeReflection(parent);
    else if (isInternal || inheritedFrom !== undefined) project.removeReflection(reflection);
  }
}

/** A module that has the names of one concept, in order. */
function entryPoint({ page, title, about, from, names }) {
  const file = path.join(folder, `${page}.ts`);
  writeFileSync(
    file,
    `/**\n * ${about}\n *\n * @module ${title}\n */\nexport { ${names.join(', ')} } from '${path.resolve(from)}';\n`,
  );
  return file;
}

/** The settings of lib/, for the entry points too, which may name types and values alike. */
function tsconfig() {
  const file = path.join(folder, 'tsconfig.json');
  const compilerOptions = { rootDir: path.resolve('.'), isolatedModules: false, verbatimModuleSyntax: false };
  writeFileSync(
    file,
    JSON.stringify({
      extends: path.resolve('tsconfig.esm.json'),
      compilerOptions,
      files: concepts.map(({ page }) => `${page}.ts`),
    }),
  );
  return file;
}

function write(generated) {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  for (const [name, text] of generated) writeFileSync(path.join(OUT, name), text);
}

function check(generated) {
  const present = existsSync(OUT) ? readdirSync(OUT) : [];
  const names = [...new Set([...generated.keys(), ...present])];
  const stale = names.filter(
    (name) => !present.includes(name) || readFileSync(path.join(OUT, name), 'utf8') !== generated.get(name),
  );
  if (stale.length === 0) return;
  console.error(`Out of date in ${OUT}: ${stale.join(', ')}. Run npm run docs:api.`);
  process.exitCode = 1;
}
