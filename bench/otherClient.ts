/**
 * Another client of the same Redis: a GET about each millisecond on a raw socket, whether the one before has been answered or not,
 * in a process of its own. So nothing here distorts the times, and a Redis that is blocked delays all GETs that it should.
 * `node --import tsx bench/otherClient.ts PORT` runs until its input ends, then prints the times.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Times of GETs in ms. */
export interface GetTimes {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
}

/** Times of the GETs of another client while `work` runs. */
export const getTimesDuring = async (port: number, work: () => Promise<unknown>): Promise<GetTimes> => {
  const program = fileURLToPath(import.meta.url);
  const client = spawn(process.execPath, ['--import', 'tsx', program, String(port)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(client.stdout, 'data');
  client.stdin.write('begin\n');
  await work();
  client.stdin.end();
  const [times] = await once(client.stdout, 'data');
  return JSON.parse(String(times));
};

const run = (port: number): void => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const times: number[] = [];
  const sent: number[] = [];
  socket.on('data', (chunk) => {
    const now = performance.now();
    // Each reply is `$-1`: there is no such key.
    for (let i = 0; i < chunk.length / 5; i++) times.push(now - (sent.shift() as number));
  });
  socket.once('connect', () =>
    setInterval(() => {
      sent.push(performance.now());
      socket.write('GET {bench}:other\r\n');
    }, 1),
  );
  // What was measured before, while this program warmed up, does not count.
  setTimeout(() => process.stdout.write('ready\n'), 500);
  process.stdin.once('data', () => times.splice(0));
  process.stdin.once('end', () => {
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(times.length * share)];
    process.stdout.write(JSON.stringify({ count: times.length, median: at(0.5), p99: at(0.99) }), () => process.exit());
  });
};

if (process.argv[1] === import.meta.filename) run(Number(process.argv[2]));
