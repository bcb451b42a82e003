// Gives TypeDoc the API of TypeScript 6, which 7 does not have. The project itself is compiled by 7. For `node --import`.
import { register } from 'node:module';

const hooks = `export const resolve = (specifier, context, next) =>
  next(specifier === 'typescript' && context.parentURL?.includes('/node_modules/typedoc/') ? 'typescript6' : specifier, context);`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
