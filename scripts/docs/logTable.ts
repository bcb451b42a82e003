import { logCodes } from '../../src/io/log.ts';

const begin = '| code of a log line | |\n| --- | --- |\n';

/** A page with the table of the codes of log lines as it must be. */
export const withLogCodes = (page: string): string => {
  const [before, after] = page.split(begin);
  if (before === undefined || after === undefined) throw new Error('docs/operations.md has no table of log codes');
  const rows = Object.entries(logCodes).map(([code, text]) => `| \`${code}\` | ${text} |\n`);
  return `${before}${begin}${rows.join('')}${after.replace(/^(\|.*\n)*/, '')}`;
};
