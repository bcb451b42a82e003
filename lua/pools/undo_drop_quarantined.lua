-- Undoes the drop of a job in quarantine: its entries are in `dead` again, and so is its record, if neither has changed since. The
-- recoveries of the job count again, with those since the drop: another entry of it is not requeued to one more worker.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:audit:kept:<token> (string): what the drop has removed
-- KEYS[4]  {ns}:reaper:recoveries (hash)
-- KEYS[5]  {ns}:reaper:recovered (list)
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that the drop has left; '' for none
-- ARGV[3]  id of the entry that is undone
-- Reply    { 'done' }
--          { 'expired' }: what it needs is no longer kept
--          { 'moved', what, then, now }: the record, or an entry in `dead`, has changed since
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: quarantine_entry, quarantine_orphan, drop_quarantined, release_quarantined, requeue; gocraft (its tools for dead entries).
-- ZADD is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include plan
--- @include undo
--- @include quarantine_record

-- What the drop has kept: the record, its recoveries, and its members of `dead` with their scores. Nil for a text that is something else.
local function readDropped(text)
  local read, dropped = pcall(cjson.decode, text or '')
  if not read or type(dropped) ~= 'table' or type(dropped.record) ~= 'string' or type(dropped.members) ~= 'table' then
    return nil
  end
  for _, one in ipairs(dropped.members) do
    if type(one) ~= 'table' or type(one[1]) ~= 'string' or not finite(one[2]) then
      return nil
    end
  end
  return dropped
end

local quarantine, dead, kept, recoveries, recovered = unpack(KEYS)
local id, left, entry = unpack(ARGV)
local uses = {
  { quarantine, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { dead, 'zset', 'ZSCORE', 'ZADD' },
  { kept, 'string', 'GET', 'DEL' },
  { recoveries, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { recovered, 'list', 'RPUSH', 'EXPIRE' },
}
local refusal = refusalOf(unlessPlan(uses))
if refusal then
  return refusal
end
local text = redis.call('HGET', quarantine, id)
local digest = text and redis.sha1hex(text) or ''
if digest ~= left then
  return movedReply('quarantine', left, digest)
end
local dropped = readDropped(redis.call('GET', kept))
if not dropped then
  return { 'expired' }
end
for _, one in ipairs(dropped.members) do
  if redis.call('ZSCORE', dead, one[1]) then
    return movedReply('dead', '', 'an entry')
  end
end
if isPlan then
  return { 'done' }
end
local counted, time = joinedRecoveries(dropped.recoveries, redis.call('HGET', recoveries, id)), now()
for _, one in ipairs(dropped.members) do
  redis.call('ZADD', dead, one[2], one[1])
end
redis.call('HSET', quarantine, id, dropped.record)
redis.call('EXPIRE', quarantine, 7776000)
redis.call('DEL', kept)
if counted then
  redis.call('HSET', recoveries, id, counted)
  -- So that they are forgotten after the window (`includes/recovery.lua`). The next recovery sets the time to live.
  redis.call('RPUSH', recovered, string.format('%d', time) .. '\n' .. id)
  redis.call('EXPIRE', recoveries, KEPT_FOR)
  redis.call('EXPIRE', recovered, KEPT_FOR)
end
return recorded(answerOnce({ 'done' }), { what = 'undo', job = id, of = entry, n = #dropped.members,
  was = { record = left }, is = { record = redis.sha1hex(dropped.record) } })
