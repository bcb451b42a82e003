-- Notes how far the sweep in hand has come: a successor goes on from there. Run behind a fence only.
--
-- KEYS[1]  progress of the passes
-- ARGV[1]  cursor at which the oldest page began that may not be done yet
-- ARGV[2]  jobs that have been scanned up to it
-- ARGV[3]  run id of the process of Redis that gave the cursor
-- Returns  `ok`
-- Others that touch these keys: begin_sweep, complete_pass, acquire_lease.
--- @include prove
--- @include run_id

local refused = refusalOf({ { KEYS[1], 'hash', 'HSET' } })
if refused then
  return refused
end
local run = runId()
-- A cursor that another process of Redis gave leads nowhere; the sweep starts over by itself.
local isStale = ARGV[3] ~= run
redis.call('HSET', KEYS[1], 'cursor', isStale and '0' or ARGV[1], 'scanned', isStale and 0 or ARGV[2], 'run_id', run)
return 'ok'
