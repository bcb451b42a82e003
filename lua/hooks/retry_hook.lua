-- Retries a hook for a user, if its record is still as the user saw it: it is due now, however old it is, and its attempts start
-- again.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:parked (zset)
-- KEYS[3]  {ns}:reaper:hooks:origins (set)
-- KEYS[4]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  the record that the user saw
-- Reply    { 'done' }
--          { 'overtaken' }: the record has changed, or a host is sending it
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks.
--- @include once
--- @include seen_hook
--- @include audit

local hooks, parked, origins, due = unpack(KEYS)
local at, id, seen = nowMs(ARGV[1]), ARGV[2], ARGV[3]
local refused = refusalOf({ usesOfSeen(hooks, parked, origins, due) })
if refused then
  return refused
end
local record, was = readSeen(hooks, parked, due, id, seen, at)
if not record then
  return { 'overtaken' }
end
record.kind, record.attempts, record.first, record.last = 'asked', 0, 0, 0
writeRecord(hooks, id, record)
redis.call('ZREM', parked, id)
redis.call('ZADD', due, at, id)
redis.call('SADD', origins, record.origin)
keepHooks(unpack(KEYS))
return recorded(answerOnce({ 'done' }), { what = 'retry-hook', job = id, was = was, is = { hook = recordText(record) } })
