import type { EndedPool } from './poolsSetup.ts';
import type { RescuePassEvent } from './rescuePass.ts';

/** The ended pools that concern each pass. */
export const endsByPass = (
  ends: readonly EndedPool[],
): ReadonlyMap<string, RescuePassEvent & { type: 'pools.ended' }> => {
  const messages = new Map<string, { type: 'pools.ended'; outcomes: EndedPool['outcome'][]; count: number }>();
  const messageTo = (id: string) => {
    const message = messages.get(id) ?? { type: 'pools.ended', outcomes: [], count: 0 };
    messages.set(id, message);
    message.count += 1;
    return message;
  };
  for (const { pool, outcome } of ends) {
    for (const { id } of pool.reportedBy) messageTo(id).outcomes.push(outcome);
    for (const { id } of pool.awaitedBy) messageTo(id);
  }
  return messages;
};
