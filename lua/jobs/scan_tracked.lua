-- Scans the tracking hash, and names the Redis process that replies. A cursor means nothing to another process, and a client
-- that reconnects may send the command again, to whichever process is there by then.
--
-- KEYS[1]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  cursor of HSCAN
-- ARGV[2]  how many ids to ask for (COUNT)
-- Reply    { 'read', run id of the process ('' where the user may not run INFO), next cursor, JSON: [ id… ], processor time in µs }.
--          An id may be invalid UTF-8, and then the text is. The time is missing where the user may not run INFO.
-- Also written by: the Go jobservice, and every script that tracks a job. This one writes nothing.
--- @include processor_time
--- @include prove
--- @include run_id

local refused = refusalOf({ { KEYS[1], 'hash', 'HSCAN' } })
if refused then
  return refused
end
local next, pairs = unpack(redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]))
local ids, count = {}, 0
for i = 1, #pairs, 2 do
  count = count + 1
  ids[count] = pairs[i]
end
-- An empty table would be an object.
return { 'read', runId(), next, count > 0 and cjson.encode(ids) or '[]', timeTaken() }
