--- @include hook_record
--- @include enqueue_hook

-- The hook of a change. A script that changes a job enqueues the hook for the job's endpoint in the same step, so a host
-- that dies right after the change leaves the hook to another host.
--
-- KEYS, from `firstKey` on:
--   {ns}:reaper:hooks (hash), {ns}:reaper:hooks:parked (zset), {ns}:reaper:hooks:origins (set),
--   {ns}:reaper:hooks:due:<endpoint> (zset)
-- ARGV, from `firstArg` on (all three may be left out):
--   origin of the job's endpoint; '' for a job without one
--   '', or a time in ms that replaces the clock of Redis: only tests give one
--   how many records of hooks there may be
--
-- Returns nil for a job without an endpoint; else { uses: what `refusalOf` has to prove, enqueue: called after the change }.
local function hookOfChange(firstKey, firstArg)
  local origin = ARGV[firstArg]
  if not origin or origin == '' then
    return nil
  end
  local hooks, parked, origins, due = unpack(KEYS, firstKey, firstKey + 3)
  local at = nowMs(ARGV[firstArg + 1])
  local maxRecords = assert(tonumber(ARGV[firstArg + 2]), 'the limit of hook records is missing')
  return {
    hooks = hooks,
    uses = { usesOfHook(hooks, parked, origins, due) },
    enqueue = function(id, stats)
      enqueueHook(hooks, parked, origins, due, id, stateOf(stats), origin, at, maxRecords)
      keepHooks(hooks, parked, origins, due)
    end,
  }
end

-- Adds the uses of the hook, if there is one, to those of the script.
local function withHook(uses, hook)
  for _, use in ipairs(hook and hook.uses or {}) do
    uses[#uses + 1] = use
  end
  return uses
end
