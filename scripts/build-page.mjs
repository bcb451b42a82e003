// Builds the inspector's page into dist/page: one script, one style sheet and one HTML file, without foreign URLs. It takes
// about 50 ms, so each command that serves the page from the sources builds it first.
import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const page = fileURLToPath(new URL('../visualize/page/', import.meta.url));
const out = fileURLToPath(new URL('../dist/page/', import.meta.url));

await mkdir(out, { recursive: true });
await build({
  entryPoints: { app: `${page}main.tsx`, style: `${page}style.css` },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  logLevel: 'warning',
});
await Promise.all(['index.html', 'icon.svg'].map((file) => copyFile(`${page}${file}`, `${out}${file}`)));
