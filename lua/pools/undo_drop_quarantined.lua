-- Undoes the drop of a job in quarantine: its entries are in `dead` again, and so is its record, if neither has changed since. The
-- recoveries of the job count again.
--
-- KEYS[1]  {ns}:reaper:quarantine (hash)
-- KEYS[2]  {ns}:dead (zset)
-- KEYS[3]  {ns}:reaper:audit:kept:<token> (string): what the drop has removed
-- ARGV[1]  job id
-- ARGV[2]  digest of the record that the drop has left; '' for none
-- ARGV[3]  id of the entry that is undone
-- Reply    { 'done' }
--          { 'expired' }: what it needs is no longer kept
--          { 'moved', what, then, now }: the record, or an entry in `dead`, has changed since
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: quarantine_entry, quarantine_orphan, drop_quarantined, release_quarantined; gocraft (its tools for dead entries).
-- ZADD is the first write, because Redis refuses it under memory pressure, and then nothing has been written.
--- @include once
--- @include plan
--- @include undo

local quarantine, dead, kept = unpack(KEYS)
local id, left, entry = unpack(ARGV)
local uses = {
  { quarantine, 'hash', 'HGET', 'HSET', 'EXPIRE' },
  { dead, 'zset', 'ZSCORE', 'ZADD' },
  { kept, 'string', 'GET', 'DEL' },
}
local refusal = refusalOf(unlessPlan(uses))
if refusal then
  return refusal
end
local found, dropped = pcall(cjson.decode, redis.call('GET', kept) or '')
if not found then
  return { 'expired' }
end
local text = redis.call('HGET', quarantine, id)
local digest = text and redis.sha1hex(text) or ''
if digest ~= left then
  return movedReply('quarantine', left, digest)
end
for _, one in ipairs(dropped.members) do
  if redis.call('ZSCORE', dead, one[1]) then
    return movedReply('dead', '', 'an entry')
  end
end
if isPlan then
  return { 'done' }
end
for _, one in ipairs(dropped.members) do
  redis.call('ZADD', dead, one[2], one[1])
end
redis.call('HSET', quarantine, id, dropped.record)
redis.call('EXPIRE', quarantine, 7776000)
redis.call('DEL', kept)
return recorded(answerOnce({ 'done' }), { what = 'undo', job = id, of = entry, n = #dropped.members,
  was = { record = left }, is = { record = redis.sha1hex(dropped.record) } })
