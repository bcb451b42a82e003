-- Notes how far the sweep in hand has come: a successor goes on from there. Run behind a fence only.
--
-- KEYS[1]  progress of the passes
-- ARGV[1]  cursor at which the oldest page began that may not be done yet
-- ARGV[2]  jobs that have been scanned up to it
-- Returns  `ok`
-- Others that touch these keys: begin_sweep, end_pass, take_lease.
--- @include prove
--- @include run_id

local refused = refusalOf({ { KEYS[1], 'hash', 'HGET', 'HSET' } })
if refused then
  return refused
end
local run = runId()
-- A cursor that was read from the process of Redis before this one leads nowhere; the sweep starts over by itself.
local isStale = redis.call('HGET', KEYS[1], 'run_id') ~= run
redis.call('HSET', KEYS[1], 'cursor', isStale and '0' or ARGV[1], 'scanned', isStale and 0 or ARGV[2], 'run_id', run)
return 'ok'
