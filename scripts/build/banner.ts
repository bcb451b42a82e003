/**
 * The first line of each bundle for Node. Packages that are built in may be CommonJS, and call `require`. Its own name for
 * `createRequire` is one that no source declares.
 */
export const banner = `import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);`;
