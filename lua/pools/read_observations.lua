-- Reads what workers report that they run. Of the arguments of a job it returns only the epoch of a periodic execution. The amount that is
-- read is bounded, however large the arguments are. Writes nothing.
--
-- KEYS[n]  {ns}:worker:<worker> (hash): observation of the nth worker
-- ARGV[1]  after how many bytes to stop
-- Reply    { 'read', observation of each worker, of the first ones if it stopped }. An observation is '' for none, `unreadable` for a key of
--            another type, or { id of the job, its type, started_at (unix s) }
-- Also written by: gocraft (observers).
--- @include prove
--- @include entry
--- @include read_fields

local reply, size = { 'read' }, 0
for i = 1, #KEYS do
  if size > tonumber(ARGV[1]) then
    break
  end
  local values = readFields(KEYS[i], 'job_id', 'job_name', 'started_at', 'args')
  if not values then
    reply[i + 1] = 'unreadable'
  else
    local id, name, started, args = unpack(values, 1, 4)
    for _, value in ipairs({ id or '', name or '', args or '' }) do
      size = size + #value
    end
    local job = jobIdOf(id, args)
    reply[i + 1] = job and { job, name or '', started or '' } or ''
  end
end
return reply
