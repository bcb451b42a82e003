/** `npm run rights`: writes docs/rights.md from src/io/redis/rights.ts. A test fails when the page is stale. */
import { readFileSync, writeFileSync } from 'node:fs';
import { aclRules, nameOf, rightsFor } from '../src/io/redis/rights.ts';
import { packageRoot } from '../src/package.ts';

export const rightsPage = `${packageRoot}docs/rights.md`;

const tableOf = (rows: readonly { readonly command: string; readonly without: string }[]): string =>
  [
    '| command | without it |',
    '| --- | --- |',
    ...rows.map(({ command, without }) => `| \`${nameOf(command)}\` | ${without} |`),
  ].join('\n');

const parts = (): Record<string, string> => {
  const rules = aclRules('{harbor_job_service_namespace}', '7.0').map((rule) =>
    rule.startsWith('~') ? `'${rule}'` : rule,
  );
  const rights = rightsFor('99.0');
  return {
    line: `\`\`\`\nACL SETUSER reaper on '>PASSWORD' ${rules.join(' ')}\n\`\`\``,
    optional: tableOf(rights.filter(({ isNeeded }) => !isNeeded)),
    needed: tableOf(rights.filter(({ isNeeded }) => isNeeded)),
  };
};

/** Replaces the generated parts of the page, which are between `<!-- NAME -->` and `<!-- end -->`. */
export const withRights = (page: string): string =>
  Object.entries(parts()).reduce(
    (text, [name, part]) =>
      text.replace(new RegExp(`(<!-- ${name} -->\\n)[^]*?(\\n<!-- end -->)`), (_, begin, end) => begin + part + end),
    page,
  );

if (process.argv[1] === import.meta.filename) writeFileSync(rightsPage, withRights(readFileSync(rightsPage, 'utf8')));
