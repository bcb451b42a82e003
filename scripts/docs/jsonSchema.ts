import { type OptionSchema, optionsAsJsonSchema, propertiesOf } from '../../src/options/describe.ts';

/** Metadata that JSON Schema does not know. */
const own: ReadonlySet<string> = new Set(['tsType', 'hint', 'secret', 'defaultText']);

/** The JSON Schema of the config file, for editors: the options that a file can hold. */
export const optionsJsonSchema = (): string => {
  const { properties } = onlyForFiles(optionsAsJsonSchema());
  return `${JSON.stringify(
    {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'Config file of jobservice-reaper',
      type: 'object',
      additionalProperties: false,
      properties: {
        ...properties,
        logLevel: { description: 'Level of the log on stderr.', enum: ['debug', 'info', 'warn', 'error', 'silent'] },
      },
    },
    null,
    2,
  )}\n`;
};

const onlyForFiles = (schema: OptionSchema): OptionSchema => {
  const inner = propertiesOf(schema);
  const properties =
    inner === undefined
      ? undefined
      : Object.fromEntries(
          Object.entries(inner)
            .filter(([, member]) => isForFiles(member))
            .map(([name, member]) =>
              member.hint === 'file' ? [`${name}File`, asFile(member)] : [name, onlyForFiles(member)],
            ),
        );
  const { properties: _, anyOf, ...rest } = schema;
  const kept = Object.fromEntries(Object.entries(rest).filter(([key]) => !own.has(key)));
  if (properties !== undefined && anyOf !== undefined) {
    return {
      ...kept,
      anyOf: [
        anyOf.some((member) => member.const === true) ? { type: 'boolean' } : { const: false },
        { type: 'object', properties, additionalProperties: false },
      ],
    } as OptionSchema;
  }
  return { ...kept, ...(anyOf === undefined ? {} : { anyOf }), ...(properties === undefined ? {} : { properties }) };
};

const isForFiles = (member: OptionSchema): boolean =>
  member.hint !== undefined || member.type === 'boolean' || propertiesOf(member) !== undefined;

const asFile = ({ description = '' }: OptionSchema): OptionSchema => ({
  description: `File with the ${description}`,
  type: 'string',
});
