-- Notes how far the sweep in hand has come: a successor goes on from there. Run behind a fence only.
--
-- KEYS[1]  progress of the passes
-- ARGV[1]  cursor at which the oldest page began that may not be done yet
-- ARGV[2]  jobs that have been scanned up to it
-- Returns  `ok`
-- Others that touch these keys: begin_sweep, end_pass, take_lease.
--- @include prove
--- @include run_id

local refused = refusalOf({ { KEYS[1], 'hash', 'HMGET', 'HSET' } })
if refused then
  return refused
end
local run = runId()
local page = ARGV[1] .. ' ' .. ARGV[2]
local noted = redis.call('HMGET', KEYS[1], 'run_id', 'stale')
if noted[1] ~= run then
  -- A cursor that was read from the process of Redis before this one leads nowhere; the sweep starts over by itself. It leads
  -- nowhere either when it is sent again.
  redis.call('HSET', KEYS[1], 'cursor', '0', 'scanned', 0, 'run_id', run, 'stale', page)
elseif noted[2] ~= page then
  redis.call('HSET', KEYS[1], 'cursor', ARGV[1], 'scanned', ARGV[2])
end
return 'ok'
