// `npm run build`: writes dist/, which is what the package holds of the sources: the inspector's page, one bundle for each
// entry point with the chunks that they share, and their declarations.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { banner } from './build/banner.ts';
import { writeDeclarations } from './build/declarations.ts';
import { licensesOf } from './build/licenses.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
const modules = Object.values<{ default: string }>(manifest.exports).map((target) => sourceOf(target.default));

/** Writes into a folder what `dist/` holds, except for the page. */
export const buildInto = async (out: string): Promise<void> => {
  mkdirSync(`${root}.tmp`, { recursive: true });
  writeDeclarations(root, out, modules);
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [sourceOf(manifest.bin.reaper), ...modules],
    outbase: '.',
    outdir: out,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    plugins: [installed],
    banner: { js: banner },
    metafile: true,
    logLevel: 'warning',
  });
  writeFileSync(`${out}/LICENSES.txt`, licensesOf(root, Object.keys(metafile.inputs)));
};

/** Leaves the dependencies where npm installs them. What a bundled package needs is bundled with it. */
const installed: Plugin = {
  name: 'installed',
  setup: ({ onResolve }) => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    onResolve({ filter: /^[@a-z]/ }, ({ path, importer }) =>
      names.some((name) => path === name || path.startsWith(`${name}/`)) && !importer.includes('/node_modules/')
        ? { path, external: true }
        : undefined,
    );
  },
};

/** The source of a built module. */
function sourceOf(path: string): string {
  return path.replace('./dist/', '').replace(/\.js$/, '.ts');
}

if (import.meta.url === `file://${process.argv[1]}`) {
  rmSync(`${root}dist`, { recursive: true, force: true });
  execFileSync(process.execPath, [`${root}scripts/build-page.mjs`], { stdio: 'inherit' });
  await buildInto(`${root}dist`);
}
