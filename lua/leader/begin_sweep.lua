-- Begins a sweep, or goes on with one that another host has begun and not ended: from the cursor that it left. In another
-- process of Redis than the one that gave the cursor, from the beginning. Run behind a fence only.
--
-- KEYS[1]  progress of the passes
-- KEYS[2]  tracking hash
-- Returns  { cursor, jobs that have been scanned up to it, run id of the process that has answered }
-- Others that touch these keys: checkpoint_sweep, complete_pass, acquire_lease; of the tracking hash, the Go jobservice.
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
  return { begun[1], tonumber(begun[2]) or 0, run }
end
redis.call('HSET', progress, 'cursor', '0', 'scanned', 0, 'run_id', run, 'total', redis.call('HLEN', track))
if not begun[1] then
  redis.call('HSET', progress, 'begun', now)
end
return { '0', 0, run }
