-- Records that an endpoint has confirmed claimed hooks: for each of them the ACK of the job and the end of the record, and the health
-- of the endpoint. Hooks that are confirmed at about the same time share a call, for what is proven and read once is most of the
-- work.
--
-- KEYS[1]  {ns}:job_track:inprogress (hash)
-- KEYS[2]  {ns}:reaper:hooks (hash)
-- KEYS[3]  {ns}:reaper:hooks:due:<endpoint> (zset)
-- KEYS[4]  {ns}:reaper:hooks:endpoint:<endpoint> (hash)
-- KEYS[5…] {ns}:job_stats:<id> (hash): of the job of each hook
-- ARGV[1]  '', or a time in ms that replaces the clock of Redis
-- ARGV[2…] for each hook, in the order of KEYS[5…]: job id; end of the claim (ms); status, revision (unix s) and check_in_at (unix s)
--          that were sent; the stored ACK, byte for byte, if it cannot be decoded, else ''
-- Reply    { 'recorded', then for hooks in a row with the same outcome, in order: { outcome, how many hooks } }. Outcomes:
--          `done`
--          `changed`: the job has changed since it was claimed; the new state is due now
--          `expired`: the claim has expired; the ACK is stored all the same
--          `refused`, with the error as a third value, which names the stats: they are no hash; the hook is left, and the others are
--          recorded
-- Needs no token: a repeated call changes nothing more.
-- Also written by: every script of hooks; the Go jobservice (stats and tracking hash).
--- @include prove
--- @include rank
--- @include count_down
--- @include ack
--- @include acknowledge
--- @include claimed_hook
--- @include runs

local WORDS = 6
local track, hooks, due, endpoint, at = KEYS[1], KEYS[2], KEYS[3], KEYS[4], nowMs(ARGV[1])
local delivered, ids, final = {}, {}, nil
for i = 5, #KEYS do
  local first = 2 + WORDS * (i - 5)
  local id, claimEnd, status, revision, checkInAt, unreadable = unpack(ARGV, first, first + WORDS - 1)
  -- Checked before the first write: an error after it would leave the script half done.
  assert(tonumber(revision) and tonumber(checkInAt), 'revision and check_in_at must be numbers')
  final = rank(status) == 3 and status or final
  ids[#ids + 1] = id
  delivered[#delivered + 1] = { stats = KEYS[i], id = id, claimEnd = claimEnd, status = status, revision = revision,
    checkInAt = checkInAt, unreadable = unreadable }
end

local ofStats, ofTrack = usesOfAck(KEYS[5], track, final)
local refused = refusalOf({
  { hooks, 'hash', 'HMGET', 'HSET', 'HDEL' },
  { due, 'zset', 'ZSCORE', 'ZADD', 'ZREM' },
  usesOfEndpoint(endpoint),
  -- The rights are the same for all stats. Their types are compared one by one.
  { ofStats[1], false, unpack(ofStats, 3) },
  ofTrack,
})
if refused then
  return refused
end

-- Returns the outcome for one hook, and the error of one that is refused. With `done` its record can go.
local function record(hook, text)
  local stats, id = hook.stats, hook.id
  local values = redis.pcall('HMGET', stats, 'ack', 'status', 'revision', 'check_in_at')
  local ack, status, revision, checkInAt = unpack(values)
  local isFound = ack or status
  if not isFound then
    local found = redis.call('TYPE', stats).ok
    local refusal = wrongType(stats, found, 'hash')
    if refusal then
      return 'refused', refusal.err
    end
    isFound = found == 'hash'
  end
  local claimed = claimedRecord(text, due, id, hook.claimEnd)
  if isFound then
    acknowledge(stats, track, id, ack, revision, hook.status, hook.revision, hook.checkInAt, hook.unreadable)
  end
  if not claimed then
    return 'expired'
  end
  -- Compared with the claimed state, not with the state that was sent: the sender may decode an odd revision in another way, and
  -- the hook would be sent again and again.
  local state = stateBy(status, revision)
  local hasChanged = state ~= claimed.state or checkInAtOf(checkInAt) > tonumber(hook.checkInAt)
  if isFound and hasChanged then
    startAgain(hooks, due, id, claimed, state, at)
    return 'changed'
  end
  return 'done'
end

local reply, done = { 'recorded' }, {}
local texts = redis.call('HMGET', hooks, unpack(ids))
for i, hook in ipairs(delivered) do
  local outcome, refusal = record(hook, texts[i])
  addRun(reply, outcome, refusal)
  done[#done + 1] = outcome == 'done' and hook.id or nil
end
if #done > 0 then
  forget(hooks, due, unpack(done))
end
recordAlive(endpoint, at)
return reply
