import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/**
 * Writes the declarations that a user's compiler reads: those of the entry points, and those that they import.
 * @param entries paths of the sources of the entry points
 */
export const writeDeclarations = (root: string, out: string, entries: readonly string[]): void => {
  const all = mkdtempSync(`${root}.tmp/declarations-`);
  try {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    // `npm test` and `npm run typecheck` check the types.
    const only = ['--emitDeclarationOnly', '--noCheck', '--singleThreaded'];
    const args = [tsc, '-p', 'tsconfig.build.json', ...only, '--outDir', all];
    execFileSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
    for (const file of reachable(entries.map((source) => join(all, source.replace(/\.ts$/, '.d.ts'))))) {
      cpSync(file, join(out, relative(all, file)));
    }
  } finally {
    rmSync(all, { recursive: true });
  }
};

/** These declarations, and those that they import, directly or through others. */
const reachable = (files: readonly string[], seen = new Set<string>()): ReadonlySet<string> => {
  for (const file of files.filter((file) => !seen.has(file))) {
    seen.add(file);
    const relatives = specifiersIn(readFileSync(file, 'utf8')).filter((specifier) => specifier.startsWith('.'));
    const targets = relatives.map((specifier) => join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts')));
    for (const target of targets)
      if (!existsSync(target)) throw new Error(`${file} imports ${target}, which is missing`);
    reachable(targets, seen);
  }
  return seen;
};

/** What a declaration imports: `from '…'`, `import('…')`. */
export const specifiersIn = (text: string): string[] =>
  [...text.matchAll(/(?:\bfrom |\bimport\()["']([^"']+)["']/g)].map(([, specifier = '']) => specifier);
