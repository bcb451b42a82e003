/**
 * Does what `main.go` does where there is no `go`: HSCAN with COUNT 100, then PING and HGETALL for each job, on one raw socket.
 * Arguments and output are the same. The callback of a reply sends the next command, without a promise in between. On a quiet machine Go's
 * scheduler polls for a while before its core sleeps. Here the event loop polls for the replies to HGETALL, and sleeps for the others:
 * with polling for all the time is 0.7 of Go's, without any it is 1.4 of it. So its processor time is not that of the Go client. On a
 * busy machine no core sleeps.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const [port, namespace, limit] = process.argv.slice(2) as [string, string, string];
const most = Number(limit);

type Reply = string | Reply[];

let jobs = 0;
function* readAll(): Generator<string[], void, Reply> {
  let cursor = '0';
  do {
    const scanned = yield ['HSCAN', `${namespace}:job_track:inprogress`, cursor, 'COUNT', '100'];
    const [next, pairs] = scanned as [string, string[]];
    for (let i = 0; i < pairs.length && jobs < most; i += 2, jobs++) {
      yield ['PING'];
      const stats = yield ['HGETALL', `${namespace}:job_stats:${pairs[i]}`];
      if (!stats.includes('status')) throw new Error(`${pairs[i]} has no status`);
    }
    cursor = next;
  } while (cursor !== '0' && jobs < most);
}

/** Parses one reply of RESP 2. Undefined if not all of it has arrived. */
const parse = (text: string, from: number): { reply: Reply; to: number } | undefined => {
  const end = text.indexOf('\r\n', from);
  if (end < 0) return undefined;
  const kind = text[from];
  const head = text.slice(from + 1, end);
  if (kind === '+') return { reply: head, to: end + 2 };
  if (kind === '$') {
    const to = end + 2 + Number(head);
    return to + 2 <= text.length ? { reply: text.slice(end + 2, to), to: to + 2 } : undefined;
  }
  if (kind !== '*') throw new Error(`Redis: ${head}`);
  const reply: Reply[] = [];
  let to = end + 2;
  for (let left = Number(head); left > 0; left--) {
    const item = parse(text, to);
    if (item === undefined) return undefined;
    reply.push(item.reply);
    to = item.to;
  }
  return { reply, to };
};

const idleMs = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
const isQuiet = async () => {
  const before = idleMs();
  await sleep(200);
  return idleMs() - before > 100 * cpus().length;
};

const isOnQuiet = await isQuiet();
let isPolling = false;
const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true }).setEncoding('latin1');
await once(socket, 'connect');
const began = performance.now();
const cpu = process.cpuUsage();
const reading = readAll();

const send = ({ done, value }: IteratorResult<string[], void>) => {
  const wasPolling = isPolling;
  isPolling = !done && isOnQuiet && value[0] === 'HGETALL';
  if (isPolling && !wasPolling) setImmediate(poll);
  if (!done) {
    return socket.write(`*${value.length}\r\n${value.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`, 'latin1');
  }
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ jobs, ms, cpuMs: (user + system) / 1_000 }));
  return socket.destroy();
};
const poll = () => {
  if (isPolling) setImmediate(poll);
};

let received = '';
socket.on('data', (text: string) => {
  received += text;
  const parsed = parse(received, 0);
  if (parsed === undefined) return;
  received = '';
  send(reading.next(parsed.reply));
});
send(reading.next());
