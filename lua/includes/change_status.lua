--- @include rank
--- @include now
--- @include count_down
--- @include write_status
--- @include hook_of_change

-- What is stored of a job: its status, and its revision.
local function storedState(stats)
  return redis.call('HGET', stats, 'status') or '', tonumber(redis.call('HGET', stats, 'revision') or '') or 0
end

-- The rule of the Go side for a change of a status: to a newer revision always; within a revision only forward, or to the status
-- that the job has.
local function mayBecome(stored, storedRevision, status, revision)
  return storedRevision < revision
    or (storedRevision == revision and (rank(stored) < rank(status) or stored == status))
end
