-- Scans the tracking hash, and says which process of Redis has answered: a cursor is worth nothing to another one, and a client
-- may send a question again, to whichever process is there by then.
--
-- KEYS[1]  tracking hash
-- ARGV[1]  cursor of HSCAN
-- ARGV[2]  how many ids are asked for
-- Returns  { run id of the process (the empty string where INFO is not allowed), next cursor, ids of ASCII characters, the
--          other ids in hex: they may be no UTF-8, which no reply of text could carry }
-- Others that touch these keys: the Go jobservice and every script here that tracks a job. Writes nothing.
--- @include prove
--- @include run_id
--- @include hex

local refusal = refusalOf({ { KEYS[1], 'hash', 'HSCAN' } })
if refusal then
  return refusal
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
return { runId(), next, plain, others }
