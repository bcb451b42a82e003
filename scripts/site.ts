// `npm run docs:site`: builds the documentation into docs/site, offline: all pages with their pictures and charts, and the
// API from the types. It fails if a link leads nowhere.
import { readFileSync } from 'node:fs';
import { Application, Converter, type DeclarationReflection, type DocumentReflection, ReflectionKind } from 'typedoc';
import { packageRoot } from '../src/package.ts';
import { brokenLinks } from './site/htmlLinks.ts';

const out = `${packageRoot}docs/site`;
const { repository } = JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8'));
const url: string = repository.url.replace(/^git\+|\.git$/g, '');

const app = await Application.bootstrap({
  name: 'jobservice-reaper',
  readme: `${packageRoot}README.md`,
  tsconfig: `${packageRoot}tsconfig.build.json`,
  entryPoints: ['index', 'inspector', 'charts'].map((name) => `${packageRoot}src/${name}.ts`),
  projectDocuments: [
    'docs/*.md',
    'docs/runbooks/*.md',
    'docs/adr/*.md',
    '{CHANGELOG,CODE_OF_CONDUCT,CONTRIBUTING,SECURITY}.md',
    'bench/README.md',
    'test/README.md',
    'test/*/README.md',
    'deploy/helm/*/README.md',
  ].map((pattern) => `${packageRoot}${pattern}`),
  // The compiler has checked the types before.
  skipErrorChecking: true,
  excludeInternal: true,
  excludePrivate: true,
  disableGit: true,
  basePath: packageRoot,
  sourceLinkTemplate: `${url}/blob/main/{path}#L{line}`,
  hideGenerator: true,
  githubPages: true,
  navigationLinks: { Source: url },
  navigation: { includeGroups: true },
  groupOrder: ['Guides', 'Runbooks', 'Decisions', 'Project', '*'],
});
/** The groups of the pages, by the beginning of their paths. */
const groups = [
  ['docs/runbooks/', 'Runbooks'],
  ['docs/adr/', 'Decisions'],
  ['docs/', 'Guides'],
  ['', 'Project'],
] as const;
// A page is named by its heading. TypeDoc would take the name of its file.
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, page: DocumentReflection) => {
  page.frontmatter.group = groups.find(([start]) => page.name.startsWith(start))?.[1];
  const [, heading] = /^# (.+)$/m.exec(page.content.map(({ text }) => text).join('')) ?? [];
  page.name = heading?.replaceAll('`', '') ?? page.name;
});
// A module is named as users import it.
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_, module: DeclarationReflection) => {
  if (module.kindOf(ReflectionKind.Module))
    module.name = module.name.replace('src', 'jobservice-reaper').replace('/index', '');
});
const project = await app.convert();
if (project === undefined) throw new Error('TypeDoc could not read the entry points');
await app.generateDocs(project, out);
const broken = brokenLinks(out);
for (const link of broken) process.stderr.write(`site: no target: ${link}\n`);
if (broken.length > 0 || app.logger.hasWarnings() || app.logger.hasErrors()) process.exit(1);
process.stdout.write(`docs/site/index.html\n`);
