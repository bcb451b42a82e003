-- Begins a sweep, or resumes one that another host has begun and not completed, from the cursor that it left. A cursor of
-- another Redis process means nothing: then the sweep begins at the start. Runs behind a fence only.
--
-- KEYS[1]  {ns}:reaper:progress (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- Reply    { 'begun', cursor, jobs scanned before it, run id of the Redis process ('' where the user may not run INFO) }
-- Also written by: checkpoint_sweep, complete_sweep, complete_rescue; the tracking hash: the Go jobservice.
--- @include prove
--- @include now_ms
--- @include run_id

local progress, track = KEYS[1], KEYS[2]
local refused = refusalOf({ { progress, 'hash', 'HMGET', 'HSET' }, { track, 'hash', 'HLEN' } })
if refused then
  return refused
end
local now = string.format('%.0f', redisMs())
local begun = redis.call('HMGET', progress, 'cursor', 'scanned', 'run_id')
local run = runId()
if begun[1] and begun[2] and run ~= '' and begun[3] == run then
  return { 'begun', begun[1], tonumber(begun[2]) or 0, run }
end
redis.call('HSET', progress, 'cursor', '0', 'scanned', 0, 'run_id', run, 'total', redis.call('HLEN', track))
if not begun[1] then
  redis.call('HSET', progress, 'begun', now)
end
return { 'begun', '0', 0, run }
