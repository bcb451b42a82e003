/** One step of a Dockerfile, such as `RUN` with its text. Words of the JSON form and of COPY are split. */
export interface Instruction {
  readonly name: string;
  /** Line of the file on which it begins. */
  readonly line: number;
  /** All after the name, continued lines joined. */
  readonly text: string;
}

/** One stage of a Dockerfile: what follows a FROM. */
export interface Stage {
  readonly image: string;
  /** Its name after `AS`; undefined if it has none. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/**
 * Reads a Dockerfile. It knows what this project's file uses: comments, continued lines and stages.
 * @throws Error for a step before the first FROM.
 */
export const parseDockerfile = (text: string): readonly Stage[] => {
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsOf(text)) {
    if (instruction.name === 'FROM') {
      const [image = '', , name] = instruction.text.split(/\s+/);
      stages.push({ image, name, instructions: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined) throw new Error(`Dockerfile:${instruction.line}: ${instruction.name} before FROM`);
    stage.instructions.push(instruction);
  }
  return stages;
};

const instructionsOf = (text: string): Instruction[] => {
  const instructions: Instruction[] = [];
  let open: { name: string; line: number; parts: string[] } | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const part = line.replace(/\\$/, '').trim();
    if (open === undefined) {
      const [name = ''] = part.split(/\s/, 1);
      open = { name: name.toUpperCase(), line: index + 1, parts: [part.slice(name.length).trim()] };
    } else {
      open.parts.push(part);
    }
    if (line.endsWith('\\')) continue;
    instructions.push({ name: open.name, line: open.line, text: open.parts.join(' ') });
    open = undefined;
  }
  return instructions;
};

/** The words of a JSON form: `["run", "--http"]`. */
export const execForm = (text: string): readonly string[] => JSON.parse(text) as string[];

/** The command of a HEALTHCHECK, without its options. */
export const healthCommand = (text: string): readonly string[] => execForm(text.slice(text.indexOf('CMD') + 3));

/** `NAME=value` pairs of ENV, ARG and LABEL. Quotes around a value are removed. */
export const pairsOf = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/([\w.-]+)=("[^"]*"|\S*)/g)].map(([, name = '', value = '']) => [
      name,
      value.replace(/^"|"$/g, ''),
    ]),
  );

/**
 * The entries of a folder that `.dockerignore` lets into the build. It knows `*` and names, each with or without `!`.
 * @throws Error for any other pattern.
 */
export const sentToBuild = (entries: readonly string[], ignoreFile: string): readonly string[] => {
  const patterns = ignoreFile.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const other = patterns.find((pattern) => !/^(\*|!?[\w.-]+)$/.test(pattern));
  if (other !== undefined) throw new Error(`.dockerignore: cannot read ${other}`);
  return entries.filter((entry) => {
    const last = patterns.findLast((pattern) => pattern === '*' || pattern.replace('!', '') === entry);
    return last === undefined || last.startsWith('!');
  });
};
