/**
 * Does what `main.go` does where there is no `go`: HSCAN with COUNT 100, then PING and HGETALL for each job, on one raw socket, so
 * that a client library adds nothing. Arguments and output are the same.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

const [port, namespace, limit] = process.argv.slice(2) as [string, string, string];
const most = Number(limit);
const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
await once(socket, 'connect');

let received = Buffer.alloc(0);
let arrived: (() => void) | undefined;
socket.on('data', (chunk) => {
  received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
  arrived?.();
});

type Reply = string | Reply[];

/** Parses one reply of RESP 2. Undefined if not all of it has arrived. */
const parse = (from: number): { reply: Reply; to: number } | undefined => {
  const end = received.indexOf('\r\n', from);
  if (end < 0) return undefined;
  const head = received.toString('latin1', from + 1, end);
  const kind = received[from];
  if (kind === 0x2b) return { reply: head, to: end + 2 };
  if (kind === 0x24) {
    const to = end + 2 + Number(head);
    return to + 2 <= received.length ? { reply: received.toString('utf8', end + 2, to), to: to + 2 } : undefined;
  }
  if (kind !== 0x2a) throw new Error(`Redis: ${head}`);
  const reply: Reply[] = [];
  let to = end + 2;
  for (let i = 0; i < Number(head); i++) {
    const item = parse(to);
    if (item === undefined) return undefined;
    reply.push(item.reply);
    to = item.to;
  }
  return { reply, to };
};

const call = (...args: string[]): Promise<Reply> =>
  new Promise((resolve) => {
    arrived = () => {
      const parsed = parse(0);
      if (parsed === undefined) return;
      received = received.subarray(parsed.to);
      resolve(parsed.reply);
    };
    socket.write(`*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`);
  });

const began = performance.now();
const cpu = process.cpuUsage();
let jobs = 0;
let cursor = '0';
do {
  const [next, pairs] = (await call('HSCAN', `${namespace}:job_track:inprogress`, cursor, 'COUNT', '100')) as [
    string,
    string[],
  ];
  for (let i = 0; i < pairs.length && jobs < most; i += 2, jobs++) {
    await call('PING');
    const stats = (await call('HGETALL', `${namespace}:job_stats:${pairs[i]}`)) as string[];
    if (!stats.includes('status')) throw new Error(`${pairs[i]} has no status`);
  }
  cursor = next;
} while (cursor !== '0' && jobs < most);
const ms = performance.now() - began;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ jobs, ms, cpuMs: (user + system) / 1_000 }));
socket.destroy();
