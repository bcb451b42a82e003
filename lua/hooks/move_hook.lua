-- Does with a hook what a person asks for, if it is still as the person saw it.
--
-- KEYS[1]  records of undelivered hooks
-- KEYS[2]  parked ones
-- KEYS[3]  origins of the receivers
-- KEYS[4]  queue of its receiver
-- ARGV[1]  the empty string, or a time (ms) that stands for the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  the record as it was seen
-- ARGV[4]  `retry` (it is due now, its tries begin anew, its age does not count) or `drop` (it is parked, so that no sweep
--          fires it: the receiver is not told of this state)
-- Sent again with its token (`includes/once.lua`), it gives its first answer.
-- Returns  `ok`, or `overtaken` (it is not as it was seen, or it is being sent)
-- Others that touch these keys: every script here that has to do with hooks.
--- @include once
--- @include hook_record

local hooks, parked, origins, due = unpack(KEYS)
local at, id, seen, verb = nowMs(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { parked, 'zset', 'ZADD', 'ZREM', 'EXPIRE' },
  { origins, 'set', 'SADD', 'EXPIRE' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'EXPIRE' },
})
if refused then
  return refused
end
local text = redis.call('HGET', hooks, id)
local record = readRecord(text)
-- A claim that is over has no holder any more.
local isSending = record and isClaimed(record) and (tonumber(redis.call('ZSCORE', due, id) or '') or 0) > at
if not record or text ~= seen or isSending then
  return 'overtaken'
end
if verb == 'retry' then
  record.kind, record.attempts, record.first, record.last = 'asked', 0, 0, 0
  writeRecord(hooks, id, record)
  redis.call('ZREM', parked, id)
  redis.call('ZADD', due, at, id)
  redis.call('SADD', origins, record.origin)
else
  record.kind, record.answer = 'parked', 'dropped'
  writeRecord(hooks, id, record)
  redis.call('ZREM', due, id)
  redis.call('ZADD', parked, at, id)
end
keepHooks(unpack(KEYS))
return answerOnce('ok')
