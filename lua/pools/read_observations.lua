-- Reads what workers say that they run, without the arguments of their jobs: of these only the epoch of a periodic execution
-- counts. What is read is bounded, however large the arguments are.
--
-- KEYS[n]  observation of the nth worker
-- ARGV[1]  bytes after which no further observation is read
-- Returns  for each worker, up to a bounded number of bytes: the empty string for nothing, `unreadable`, or { id of the job, its
--          type, started_at }
-- Others that touch these keys: gocraft's observers. Writes nothing.
--- @include prove
--- @include entry
--- @include read_fields

local answer, size = {}, 0
for i = 1, #KEYS do
  if size > tonumber(ARGV[1]) then
    break
  end
  local values = readFields(KEYS[i], 'job_id', 'job_name', 'started_at', 'args')
  if not values then
    answer[i] = 'unreadable'
  else
    local id, name, started, args = unpack(values, 1, 4)
    for _, value in ipairs({ id or '', name or '', args or '' }) do
      size = size + #value
    end
    local job = jobIdOf(id, args)
    answer[i] = job and { job, name or '', started or '' } or ''
  end
end
return answer
