import { describeOptions, type OptionDescription } from '../../src/options/describe.ts';

/** `docs/options.md`: every option with its default, its flag and its environment variable. */
export const optionsTable = (): string => `# Options

Generated from \`src/options/schema.ts\` by \`npm run docs\`.

A duration is a number of milliseconds, or a text with a unit: \`'24h'\`, \`'15s'\`, \`'7d'\`, \`'500ms'\`. Flags, environment
variables and the config file take the same texts. A flag wins over the environment, the environment over the config file
(\`--config FILE\` or \`REAPER_CONFIG\`, YAML or JSON), and that over the default. A secret can be in a file: put \`_FILE\` at the end of its variable, such as
\`REAPER_REDIS_FILE=/run/secrets/redis-url\`. In the config file, options are nested:

\`\`\`yaml
# yaml-language-server: $schema=./options.schema.json
namespace: '{harbor_job_service_namespace}'
sweep:
  interval: 30m
hooks:
  tls:
    caFile: /etc/harbor/ca.crt
\`\`\`

| option | default | flag, environment | |
| --- | --- | --- | --- |
${describeOptions().map(rowOf).join('\n')}
`;

const rowOf = ({ path, schema, default: value, command, description }: OptionDescription): string => {
  const names = command === undefined ? 'only in code' : namesOf(command, schema.secret === true);
  return `| \`${path}\` | ${value === undefined ? 'required' : cell(value)} | ${names} | ${description.replaceAll('|', '\\|')} |`;
};

const namesOf = ({ flag, environment }: { flag: string; environment: string }, isSecret: boolean): string =>
  [flag, environment, ...(isSecret ? [`${environment}_FILE`] : [])].map((name) => `\`${name}\``).join('<br>');

const cell = (value: string) => (value === '' || /[ `]/.test(value) ? value : `\`${value.replaceAll('|', '\\|')}\``);
