import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Names, versions and licenses of the packages whose files are in a bundle: most licenses ask for their text in each copy.
 * @param inputs the inputs of esbuild's metafile
 */
export const licensesOf = (root: string, inputs: readonly string[]): string => {
  const folders = inputs.flatMap((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? []);
  return [...new Set(folders)]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
      const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? undefined : readFileSync(join(root, folder, file), 'utf8').trim();
      return `${name} ${version} (${license})\n\n${text ?? 'The package has no text of its license.'}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
};
