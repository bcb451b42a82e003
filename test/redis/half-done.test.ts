import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRecorder } from '../../src/io/redis/audit.ts';
import { createScripts, type PlannedScript, plannedScripts, type ScriptName } from '../../src/io/redis/scripts.ts';
import { includePath, scriptPath, scriptPaths } from '../support/luaFiles.ts';
import { hasFineRights, type RedisServer, startRedis } from '../support/redisServer.ts';
import { audit, auditKept } from '../support/scriptSetUps/recorded.ts';
import { changes, fenceNumber, lease, type SetUp, thisRun } from '../support/scriptSetUps/values.ts';
import { scriptTable } from '../support/scriptTable.ts';
import { readKeys, repliesOf, writeState } from '../support/states.ts';

// Every script, in states in which it writes all that it can, with each thing that it needs taken away in turn: Redis is as
// it was, and the answer is an error that says why, or all is done. `test/support/scriptSetUps/` has the states.

let server: RedisServer;
let redis: Redis;
/** The same server, as a user whose rights change. */
let limited: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = server.client;
  await redis.call('ACL', 'SETUSER', 'limited', 'on', '>secret', '~*', '&*', '+@all');
  limited = new Redis({ port: server.port, username: 'limited', password: 'secret', replyMapping: 'legacy' } as never);
});
afterAll(async () => {
  limited.disconnect();
  await server.stop();
});
beforeEach(() => allow('+@all'));

const allow = (...rules: string[]) =>
  redis.call(
    'ACL',
    'SETUSER',
    'limited',
    'resetkeys',
    ...(rules.some((rule) => rule.includes('~')) ? [] : ['~*']),
    ...rules,
  );

/** Redis before 7.0 knows no keys that may be read and not written. */
const readsAll = async () => (/redis_version:6\./.test(await redis.info('server')) ? ['~other'] : ['%R~*']);

const withIncludes = (text: string): string =>
  text.replace(/^--- @include (\w+)$/gm, (_, name) => withIncludes(readFileSync(includePath(name), 'utf8')));
/** The commands that a script names, with all that it includes. */
const commandsOf = (name: string): string[] => {
  const text = withIncludes(`--- @include fence\n${readFileSync(scriptPath(name), 'utf8')}`);
  const called = [...text.matchAll(/redis\.p?call\('(\w+)'/g)].map(([, command]) => command as string);
  return [...new Set(called)].sort();
};

/** Those whose lack can leave something half done, as far as the test itself can do without them. */
const allCommands = () => {
  const all = new Set(Object.keys(scriptTable).flatMap(commandsOf));
  const ours = ['TYPE', 'HSET', 'ZADD', 'SADD', 'RPUSH', 'SET', 'GET', 'HGETALL', 'LRANGE', 'ZRANGE', 'INFO'];
  return [...all].filter((command) => !ours.includes(command)).sort();
};

const runIds = new Map<Redis, string>();
/** Which process of Redis this is. */
const runIdOf = async (client: Redis): Promise<string> => {
  const known = runIds.get(client) ?? (/run_id:(\w+)/.exec(await client.info('server'))?.[1] as string);
  runIds.set(client, known);
  return known;
};

type Snapshot = Readonly<Record<string, string>>;
/** Each key: its type, whether it ends, and what it holds. A time of just now is any other. */
const snapshot = async (): Promise<Snapshot> => {
  const runId = await runIdOf(redis);
  const names = (await redis.keys('*')).sort();
  return Object.fromEntries(
    (await readKeys(redis, names)).map(({ key, type, ttl, value }) => [
      key,
      `${type}${ttl >= 0 ? ', ends' : ''}: ${JSON.stringify(type === 'hash' ? Object.entries(value as object).sort() : value)}`
        .replaceAll(runId, thisRun)
        // A digest of a text that holds the time.
        .replace(/(record\W+)[0-9a-f]{40}/g, '$1<digest>')
        .replace(/\d{10,13}/g, settled),
    ]),
  );
};
const began = Date.now() / 1_000;
const settled = (digits: string) => {
  const seconds = Number(digits) / (digits.length === 13 ? 1_000 : 1);
  return seconds > began - 59 && seconds < Date.now() / 1_000 + 60 ? '<now>' : digits;
};

const differing = (a: Snapshot, b: Snapshot, except: readonly string[] = []): string[] =>
  [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((key) => a[key] !== b[key] && !except.includes(key))
    .map((key) => `${key} is ${a[key]}, not ${b[key]}`);

/** All keys of a call, with those that a fence and a token add. */
const keysOf = ({ keys, fenced, once, audited }: SetUp, name: ScriptName) => [
  ...(once ? [changes] : []),
  ...(fenced ? [lease] : []),
  ...(audited ? [audit] : []),
  ...(audited && keeps(name) ? [auditKept] : []),
  ...keys,
];
const keeps = (name: ScriptName) => name === 'drop_quarantined';
const recorder = createRecorder({ keys: { audit }, maxEntries: 1_000, onRefused: () => undefined });

const set = async ({ state, fenced }: SetUp) => {
  await redis.flushall();
  const lasting = Object.entries(state).map(([key, { type, value }]) => [key, { type, value }]);
  const run = await runIdOf(redis);
  await writeState(redis, JSON.parse(JSON.stringify(Object.fromEntries(lasting)).replaceAll(thisRun, run)));
  const more = redis.pipeline();
  // PEXPIRE: one of the Redis servers has no EXPIRE.
  for (const [key, { ttl }] of Object.entries(state)) if (ttl !== undefined) more.pexpire(key, 1_000 * ttl);
  if (fenced) more.hset(lease, { holder: 'me', fence: fenceNumber, until: 9_000_000_000_000 });
  await repliesOf(more);
};
const argsOf = async ({ args }: Pick<SetUp, 'args'>) => {
  const id = await runIdOf(redis);
  return args.map((arg) => (arg === thisRun ? id : arg));
};
const run = async (
  client: Redis,
  name: ScriptName,
  { keys, args, fenced, once, audited }: SetUp,
  token = 'first',
): Promise<unknown> => {
  return createScripts(client, () => true, recorder).run(
    name,
    keys,
    await argsOf({ args }),
    fenced ? { lease, token: fenceNumber } : undefined,
    once ? { key: changes, token } : undefined,
    audited ? { pass: 'command', why: 'test', ...(keeps(name) ? { kept: auditKept } : {}) } : undefined,
  );
};
const attempt = (client: Redis, name: ScriptName, setUp: SetUp) =>
  run(client, name, setUp).then(
    (reply) => ({ reply, error: undefined }),
    (error: Error) => ({ reply: undefined, error: error.message }),
  );

const table = (Object.entries(scriptTable) as [ScriptName, readonly SetUp[]][]).flatMap(([name, setUps]) =>
  setUps.map((setUp) => ({ name, setUp, title: `${name}, ${setUp.title}` })),
);

test('every script has a state here in which it runs', () => {
  expect(Object.keys(scriptTable).sort()).toEqual([...scriptPaths.keys()].sort());
  for (const setUps of Object.values(scriptTable)) expect(setUps.length).toBeGreaterThan(0);
});

test.each(Object.keys(scriptTable) as ScriptName[])(
  '%s runs each command that it names in one of its states',
  async (name) => {
    await redis.config('RESETSTAT');
    for (const setUp of scriptTable[name]) {
      await set(setUp);
      await run(redis, name, setUp);
    }
    // By the scripts or by the test itself: what only the test uses is in no script.
    const ran = [...(await redis.info('commandstats')).matchAll(/^cmdstat_(\w+)[|:]/gm)].map(([, command]) => command);
    const named = [...readFileSync(scriptPath(name), 'utf8').matchAll(/redis\.p?call\('(\w+)'/g)];
    expect(named.map(([, command]) => (command as string).toLowerCase()).filter((one) => !ran.includes(one))).toEqual(
      [],
    );
  },
);

test('fault 107: each command that a script proves has a form in which it changes nothing, for a Redis before 7.0', () => {
  const included = readdirSync(dirname(includePath('once'))).map((file) => includePath(basename(file, '.lua')));
  const texts = [...scriptPaths.values(), ...included].map((file) => readFileSync(file, 'utf8'));
  const proven = texts
    .flatMap((text) => [...text.matchAll(/(?:'(?:string|hash|list|zset|set|stream)'|false)((?:, '[A-Z]+')+)/g)])
    .flatMap(([, commands]) => [...(commands as string).matchAll(/[A-Z]+/g)].map(([command]) => command));
  const forms = readFileSync(includePath('prove'), 'utf8').split('local forms = {')[1] as string;
  expect([...new Set(proven)].filter((command) => !forms.includes(`{ '${command}'`))).toEqual([]);
});

const otherTypes: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
  string: (key) => redis.set(key, 'odd'),
  list: (key) => redis.rpush(key, 'odd'),
  set: (key) => redis.sadd(key, 'odd'),
  zset: (key) => redis.zadd(key, 1, 'odd'),
  stream: (key) => redis.xadd(key, '*', 'odd', '1'),
  hash: (key) => redis.hset(key, 'odd', 1),
};
/** Which type a key is of, by its name. */
const typeOf = (key: string): string => typesByName.find(([pattern]) => pattern.test(key))?.[1] ?? 'hash';
const typesByName = [
  [/^t:jobs:\w+(:\w+:inprogress)?$|:recovered$/, 'list'],
  [/^t:dead$|:executions:|hooks:parked$|hooks:due:/, 'zset'],
  [/worker_pools$|hooks:origins$/, 'set'],
  [/:audit$/, 'stream'],
  [/:lock$|:changes:|:recount:|:rescues:|:quarantine:before:|:kept:/, 'string'],
] as const;

/** As it is before and after a run that nothing hinders. */
const bothEnds = async (name: ScriptName, setUp: SetUp) => {
  await set(setUp);
  const before = await snapshot();
  await run(redis, name, setUp);
  return { before, after: await snapshot() };
};

describe.each(table)('$title', ({ name, setUp }) => {
  test('fault 107: without the right to one of its commands, all is done or nothing is', async () => {
    const { before, after } = await bothEnds(name, setUp);
    const wrong: string[] = [];
    for (const command of commandsOf(name)) {
      await set(setUp);
      await allow('+@all', `-${command}`);
      const { error } = await attempt(limited, name, setUp);
      const now = await snapshot();
      const expected = error === undefined ? after : before;
      const except = error === undefined ? setUp.goesOn?.[command]?.keys : undefined;
      wrong.push(
        ...differing(now, expected, except).map((text) => `without ${command} (${error ?? 'no error'}): ${text}`),
      );
      // Without the answer of TIME and the like no key is named, for there is none.
      const says =
        error === undefined || new RegExp(`\\b${command}\\b`, 'i').test(error) || /can't run this command/.test(error);
      if (!says) wrong.push(`without ${command}: ${error}`);
    }
    expect(wrong).toEqual([]);
  });

  test('fault 107: with a key of another type, nothing is done and the answer names the key, or all else is done', async () => {
    const { before, after } = await bothEnds(name, setUp);
    const wrong: string[] = [];
    for (const key of keysOf(setUp, name)) {
      for (const [type, make] of Object.entries(otherTypes)) {
        if (type === typeOf(key)) continue;
        await set(setUp);
        await redis.del(key);
        await make(key);
        const odd = (await snapshot())[key];
        const { error } = await attempt(redis, name, setUp);
        const now = await snapshot();
        const say = (text: string) => wrong.push(`${key} is a ${type} (${error ?? 'no error'}): ${text}`);
        if (now[key] !== odd) say(`it is ${now[key]}`);
        if (error === undefined) {
          const known = setUp.goesOn?.[key];
          // A key that this call does not use may hold anything.
          for (const text of differing(now, after, [key, ...(known?.keys ?? [])])) say(text);
          if (known === undefined && before[key] !== after[key]) say('it was to be written');
        } else {
          for (const text of differing(now, before, [key])) say(text);
          if (!error.startsWith('WRONGTYPE') || !error.includes(`${key} `)) say('the answer does not name it');
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe.each(table)('$title', ({ name, setUp }) => {
  test('fault 107: with a key that the user must not write, nothing is done', async () => {
    await set(setUp);
    const before = await snapshot();
    const wrong: string[] = [];
    const keys = keysOf(setUp, name);
    for (const key of keys) {
      await set(setUp);
      const others = keys.filter((other) => other !== key).map((other) => `~${other}`);
      await allow('+@all', ...(await readsAll()), ...others);
      const { error } = await attempt(limited, name, setUp);
      wrong.push(...differing(await snapshot(), before).map((text) => `without ${key} (${error}): ${text}`));
      if (!error?.startsWith('NOPERM')) wrong.push(`without ${key}: ${error}`);
    }
    expect(wrong).toEqual([]);
  });

  test('fault 107: with no memory left, all is done or nothing is', async () => {
    const { before, after } = await bothEnds(name, setUp);
    await set(setUp);
    await redis.config('SET', 'maxmemory', '1');
    const { error } = await attempt(redis, name, setUp);
    await redis.config('SET', 'maxmemory', '0');
    // Before Redis 7.0 the proof of an audit entry needs memory, and an act without its entry is done all the same.
    const isLost = (line: string) => !hasFineRights && line.startsWith('t:reaper:audit is undefined');
    const lines = differing(await snapshot(), error === undefined ? after : before);
    expect(lines.filter((line) => !isLost(line))).toEqual([]);
  });

  test('fault 138: sent again, it changes nothing and gives the same answer', async () => {
    await set(setUp);
    const first = await run(redis, name, setUp);
    const after = await snapshot();
    const second = await run(redis, name, setUp);
    const { again } = setUp;
    expect(differing(await snapshot(), after, again?.keys)).toEqual([]);
    if (again === undefined) expect(plain(second)).toEqual(plain(first));
    else expect(second).toEqual(again.reply);
  });
});

const hasPlan = (name: ScriptName): name is PlannedScript => plannedScripts.some((planned) => planned === name);
const plans = table.filter(({ name, setUp }) => !setUp.audited && hasPlan(name));

test('each script that includes `plan` has a plan, and no other', () => {
  const named = Object.keys(scriptTable).filter((name) =>
    readFileSync(scriptPath(name), 'utf8').includes('include plan'),
  );
  expect(named.sort()).toEqual([...plannedScripts].sort());
});

test.each(plans)(
  '$title: its plan replies what it replies, needs no right to write, and changes nothing',
  async ({ name, setUp }) => {
    await set(setUp);
    const before = await snapshot();
    await allow('+@all', '-@write');
    const planned = await createScripts(limited).plan(name as PlannedScript, setUp.keys, await argsOf(setUp));
    expect(differing(await snapshot(), before)).toEqual([]);
    expect(plain(planned)).toEqual(plain(await run(redis, name, setUp)));
  },
);

test.each(allCommands())('fault 107: on a Redis that has no %s, all is done or nothing is', async (command) => {
  const users = table.filter(({ name }) => commandsOf(name).includes(command));
  const ends = [];
  for (const { name, setUp } of users) ends.push(await bothEnds(name, setUp));
  const poor = await startRedis('--rename-command', command, 'SOME_OTHER_NAME');
  const rich = redis;
  try {
    redis = poor.client;
    const wrong: string[] = [];
    for (const [i, { name, setUp, title }] of users.entries()) {
      const { before, after } = ends[i] as (typeof ends)[number];
      await set(setUp);
      const { error } = await attempt(redis, name, setUp);
      const known = error === undefined ? setUp.goesOn?.[command]?.keys : undefined;
      const texts = differing(await snapshot(), error === undefined ? after : before, known);
      wrong.push(...texts.map((text) => `${title} (${error ?? 'no error'}): ${text}`));
    }
    expect(wrong).toEqual([]);
  } finally {
    redis = rich;
    await poor.stop();
  }
});

const plain = (reply: unknown) =>
  JSON.stringify(reply)
    // What the script has cost Redis.
    .replace(/"us":\d+/, '"us":<cost>')
    .replace(/\d{10,13}/g, settled);
