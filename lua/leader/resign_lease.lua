-- Gives the lease up, if the caller has it, so that another host need not wait until it expires. The fencing token stays: the
-- next one has to be higher.
--
-- KEYS[1]  {ns}:reaper:lease (hash)
-- ARGV[1]  id of the caller
-- Reply    { 'done' }: no host has it. Sent again, it replies the same as long as no other host has acquired it
--          { 'not-held' }: another host has it
-- Also written by: acquire_lease.
--- @include prove

local refused = refusalOf({ { KEYS[1], 'hash', 'HGET', 'HSET', 'HDEL' } })
if refused then
  return refused
end
local leader = redis.call('HGET', KEYS[1], 'holder')
if not leader then
  return { 'done' }
end
if leader ~= ARGV[1] then
  return { 'not-held' }
end
redis.call('HSET', KEYS[1], 'until', 0)
redis.call('HDEL', KEYS[1], 'holder', 'host', 'since', 'duration')
return { 'done' }
