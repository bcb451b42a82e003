-- Records how far the current sweep has come: the next leader resumes it there. Runs behind a fence only.
--
-- KEYS[1]  {ns}:reaper:progress (hash)
-- ARGV[1]  cursor at which the oldest page began that may not be done yet
-- ARGV[2]  jobs scanned before it
-- ARGV[3]  run id of the Redis process that gave the cursor
-- Reply    { 'done' }
-- Also written by: begin_sweep, complete_sweep, complete_rescue.
--- @include prove
--- @include run_id

local refused = refusalOf({ { KEYS[1], 'hash', 'HSET' } })
if refused then
  return refused
end
local run = runId()
-- A cursor of another Redis process means nothing: the sweep starts over by itself.
local isStale = ARGV[3] ~= run
redis.call('HSET', KEYS[1], 'cursor', isStale and '0' or ARGV[1], 'scanned', isStale and 0 or ARGV[2], 'run_id', run)
return { 'done' }
