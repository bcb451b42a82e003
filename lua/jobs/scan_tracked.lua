-- Scans the tracking hash, and names the Redis process that replies. A cursor means nothing to another process, and a client
-- that reconnects may send the command again, to whichever process is there by then.
--
-- KEYS[1]  {ns}:job_track:inprogress (hash)
-- ARGV[1]  cursor of HSCAN
-- ARGV[2]  how many ids to ask for (COUNT)
-- Reply    { 'read', run id of the process ('' where the user may not run INFO), next cursor, { ids in ASCII }, { other ids
--          in hex } }: an id may be invalid UTF-8, which no reply in text can carry
-- Also written by: the Go jobservice, and every script that tracks a job. This one writes nothing.
--- @include prove
--- @include run_id
--- @include hex

local refused = refusalOf({ { KEYS[1], 'hash', 'HSCAN' } })
if refused then
  return refused
end
local next, pairs = unpack(redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2]))
local plain, others = {}, {}
for i = 1, #pairs, 2 do
  local id = pairs[i]
  if string.find(id, '[\128-\255]') then
    others[#others + 1] = hex(id)
  else
    plain[#plain + 1] = id
  end
end
return { 'read', runId(), next, plain, others }
