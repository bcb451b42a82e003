-- Undoes a fail or a reset: gives a job the facts from before the act, if it is as the act has left it. The hook of the undone state is
-- removed unless the endpoint has confirmed it.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- KEYS[3]  {ns}:reaper:hooks (hash)
-- KEYS[4]  {ns}:reaper:hooks:parked (zset)
-- KEYS[5]  {ns}:reaper:hooks:due:<origin> (zset): of the job's record, if it has one
-- ARGV[1]  job id
-- ARGV[2]  facts before the act (JSON)
-- ARGV[3]  facts that the act has changed (JSON)
-- ARGV[4]  the record of the job's hook that the caller has read; '' for none
-- ARGV[5]  id of the entry that is undone
-- Reply    { 'done', what the endpoint knows of the undone state (`includes/undo.lua`) }
--          { 'moved', fact, then, now, … }: these facts have changed since
--          { 'sending' }: a host sends the hook of the undone state now
--          As a plan (`includes/plan.lua`): what it would reply
-- Repeats its first reply when it is sent again (`includes/once.lua`).
-- Also written by: the Go jobservice (set status, ACK, reset); every script of hooks.
--- @include once
--- @include plan
--- @include undo

local stats, track, hooks, parked, due = unpack(KEYS)
local id, seen, entry = ARGV[1], ARGV[4], ARGV[5]
local uses = { usesOfRestore(stats, track, hooks, parked, due) }
local refused = refusalOf(unlessPlan(uses))
if refused then
  return refused
end
local was, is = cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
local before, time = factsOf(stats, track, id), now()
local hook, moved = unmovedHook(hooks, due, id, seen, before, was, is)
if moved then
  return moved
elseif hook == 'sending' then
  return { 'sending' }
elseif isPlan then
  return { 'done', hook }
end
restoreFacts(stats, track, id, was, before, time)
if hook == 'unsent' or hook == 'tried' then
  forgetHook(hooks, parked, due, id)
end
return recorded(answerOnce({ 'done', hook }), { what = 'undo', job = id, of = entry, was = before,
  is = changedFacts(before, factsOf(stats, track, id)) })
