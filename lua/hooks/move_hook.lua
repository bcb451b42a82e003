-- Does what a user asks for with a hook, if its record is still as the user saw it.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:parked (zset)
-- KEYS[3]  {ns}:reaper:hooks:origins (set)
-- KEYS[4]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  the record that the user saw
-- ARGV[4]  `retry`: it is due now, however old it is, and its attempts start again
--          `drop`: it is parked, and no sweep refires this state
-- Reply    { 'done' }
--          { 'overtaken' }: the record has changed, or a host is sending it
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks.
--- @include once
--- @include hook_record
--- @include audit

local hooks, parked, origins, due = unpack(KEYS)
local at, id, seen, action = nowMs(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local refused = refusalOf({
  { hooks, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { parked, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'EXPIRE' },
  { origins, 'set', 'SADD', 'EXPIRE' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM', 'EXPIRE' },
})
if refused then
  return refused
end
local text = redis.call('HGET', hooks, id)
local record = readRecord(text)
-- After the end of a claim no host is sending it.
local isSending = record and isClaimed(record) and (tonumber(redis.call('ZSCORE', due, id) or '') or 0) > at
if not record or text ~= seen or isSending then
  return { 'overtaken' }
end
local was = { hook = text, due = redis.call('ZSCORE', due, id) or nil, parked = redis.call('ZSCORE', parked, id) or nil }
if action == 'retry' then
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
return recorded(answerOnce({ 'done' }), { what = action .. '-hook', job = id, was = was, is = { hook = recordText(record) } })
