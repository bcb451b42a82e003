import { type OptionSchema, optionsAsJsonSchema } from '../../src/options/describe.ts';

/** The TypeScript types of the options, with their descriptions as doc comments: editors show them on hover. */
export const optionTypes = (): string => `// Generated from src/options/schema.ts by \`npm run docs\`.
import type { Clock } from '../io/clock.ts';
import type { Logger } from '../io/log.ts';
import type { RedisSource } from '../io/redis/connection.ts';
import type { Duration } from './duration.ts';

/** Options of \`createReaper\`. A duration is a number of milliseconds, or a text with a unit: \`'24h'\`, \`'15s'\`. */
export interface ReaperOptions ${objectOf(optionsAsJsonSchema())}
`;

const objectOf = ({ properties = {}, required = [] }: OptionSchema): string => {
  const members = Object.entries(properties).map(([name, schema]) => {
    const isRequired = required.includes(name) || (schema.default === undefined && schema.defaultText === undefined);
    const type = typeOf(schema);
    return `${commentOf(schema)}\n${name}${isRequired ? `: ${type}` : `?: ${type} | undefined`};`;
  });
  return `{\n${members.join('\n')}\n}`;
};

const commentOf = ({ description = '', default: value, defaultText, type, properties }: OptionSchema): string => {
  const lines = [description];
  const isGroup = type === 'object' && properties !== undefined;
  if (defaultText !== undefined) lines.push(`@default ${defaultText}`);
  else if (value !== undefined && !isGroup)
    lines.push(`@default ${typeof value === 'string' ? `'${value}'` : JSON.stringify(value)}`);
  return lines.length === 1 ? `/** ${lines[0]} */` : `/**\n${lines.map((line) => ` * ${line}`).join('\n')}\n */`;
};

const typeOf = (schema: OptionSchema): string => {
  if (schema.tsType !== undefined) return schema.tsType;
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema.type === 'array') return `${typeOf(schema.items ?? {})}[]`;
  if (schema.type === 'object') return objectOf(schema);
  return schema.type === 'integer' ? 'number' : (schema.type ?? 'unknown');
};
