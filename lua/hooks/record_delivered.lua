-- Records that an endpoint has confirmed a claimed hook: the ACK of the job, the end of the record, and the health of the endpoint.
--
-- KEYS[1]  {ns}:job_stats:<id> (hash)
-- KEYS[2]  {ns}:job_track:inprogress (hash)
-- KEYS[3]  {ns}:reaper:hooks (hash)
-- KEYS[4]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[5]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2]  job id
-- ARGV[3]  end of the claim (ms)
-- ARGV[4]  status that was sent
-- ARGV[5]  revision that was sent (unix s)
-- ARGV[6]  check_in_at that was sent (unix s)
-- ARGV[7]  the stored ACK, byte for byte, if it cannot be decoded; else left out
-- Reply    { 'done' }
--          { 'changed' }: the job has changed since it was claimed; the new state is due now
--          { 'expired' }: the claim has expired; the ACK is stored all the same
-- Needs no token: a repeated call changes nothing more.
-- Also written by: every script of hooks; the Go jobservice (stats and tracking hash).
--- @include prove
--- @include rank
--- @include count_down
--- @include ack
--- @include acknowledge
--- @include claimed_hook

local stats, track, hooks, due, endpoint = unpack(KEYS)
local at, id, claimEnd, status, revision, checkInAt, unreadable = nowMs(ARGV[1]), unpack(ARGV, 2)
-- Checked before the first write: an error after it would leave the script half done.
assert(tonumber(revision) and tonumber(checkInAt), 'revision and check_in_at must be numbers')

local uses = {
  { hooks, 'hash', 'HGET', 'HSET', 'HDEL' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM' },
  usesOfEndpoint(endpoint),
  { stats, 'hash', 'HMGET' },
}
uses[5], uses[6] = usesOfAck(stats, track, status)
local refused = refusalOf(uses)
if refused then
  return refused
end
local record = readClaimed(hooks, due, id, claimEnd)
acknowledge(stats, track, id, status, revision, checkInAt, unreadable)
recordAlive(endpoint, at)
if not record then
  return { 'expired' }
end
-- Compared with the claimed state, not with the state that was sent: the sender may decode an odd revision in another way, and the
-- hook would be sent again and again.
local state = stateOf(stats)
local hasChanged = state ~= record.state or checkInAtOf(stats) > tonumber(checkInAt)
if redis.call('EXISTS', stats) == 1 and hasChanged then
  startAgain(hooks, due, id, record, state, at)
  return { 'changed' }
end
forget(hooks, due, id)
return { 'done' }
