-- Undoes an untrack: tracks a job again, if its stats are as they were and it was not tracked since.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash; one of another type has the fingerprint `unreadable`)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  job id
-- ARGV[2]  facts before the act (JSON), with the fingerprint of the stats
-- ARGV[3]  id of the entry that is undone
-- Reply    { 'done' }
--          { 'moved', fact, then, now, … }: these facts have changed since
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (save and reset track, set status and ACK count down).
--- @include once
--- @include plan
--- @include facts
--- @include undo

local stats, track = KEYS[1], KEYS[2]
local id, entry = ARGV[1], ARGV[3]
local uses = { { track, 'hash', 'HGET', 'HSET' }, { stats, false, 'HMGET' } }
local refused = refusalOf(unlessPlan(uses))
if refused then
  return refused
end
local was = cjson.decode(ARGV[2])
local moved = movedFacts(factsOf(stats, track, id), was, { tracked = cjson.null },
  { 'tracked', 'status', 'revision', 'update_time', 'check_in_at', 'ack' })
if #moved == 0 and fingerprint(readFacts(stats)) ~= was.print then
  moved = { 'stats', was.print or '', 'others' }
end
if #moved > 0 then
  return movedReply(unpack(moved))
elseif isPlan then
  return { 'done' }
end
redis.call('HSET', track, id, was.tracked or '2')
return recorded(answerOnce({ 'done' }), { what = 'undo', job = id, of = entry, was = { status = was.status },
  is = { tracked = was.tracked or '2' } })
