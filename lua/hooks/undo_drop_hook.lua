-- Undoes the drop of a hook: gives it the record from before, if it is as the drop has left it.
--
-- KEYS[1]  {ns}:reaper:hooks (hash)
-- KEYS[2]  {ns}:reaper:hooks:parked (zset)
-- KEYS[3]  {ns}:reaper:hooks:origins (set)
-- KEYS[4]  {ns}:reaper:hooks:due:<origin> (zset)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  the record before the drop
-- ARGV[4]  the record that the drop has written
-- ARGV[5]  when it was parked before the drop (ms); '' for a hook that was not
-- ARGV[6]  id of the entry that is undone
-- Reply    { 'done' }
--          { 'moved', 'hook', then, now }: the record has changed since
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: every script of hooks.
--- @include once
--- @include plan
--- @include undo

local hooks, parked, origins, due = unpack(KEYS)
local at, id, before, after, parkedAt, entry = nowMs(ARGV[1]), unpack(ARGV, 2)
local uses = {
  { hooks, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { parked, 'zset', 'ZADD', 'ZREM', 'EXPIRE' },
  { origins, 'set', 'SADD', 'EXPIRE' },
  { due, 'zset', 'ZADD', 'EXPIRE' },
}
local refused = refusalOf(unlessPlan(uses))
if refused then
  return refused
end
local text = redis.call('HGET', hooks, id) or ''
local record = readRecord(before)
if text ~= after or not record then
  return movedReply('hook', after, text)
elseif isPlan then
  return { 'done' }
end
-- No host is sending it any more.
if isClaimed(record) then
  record.kind = record.kind == 'resending' and 'asked' or 'pending'
end
writeRecord(hooks, id, record)
if record.kind == 'parked' then
  redis.call('ZADD', parked, tonumber(parkedAt) or at, id)
else
  redis.call('ZREM', parked, id)
  redis.call('ZADD', due, at, id)
  redis.call('SADD', origins, record.origin)
end
keepHooks(unpack(KEYS))
return recorded(answerOnce({ 'done' }), { what = 'undo', job = id, of = entry, was = { hook = text },
  is = { hook = recordText(record) } })
