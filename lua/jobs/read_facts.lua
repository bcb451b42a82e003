-- Reads the facts that a verdict needs, of many jobs at once: one round trip a page (defect 38). The size of a reply is
-- bounded: where the values are large, it holds the first jobs only, at least one, and the caller asks for the others.
--
-- KEYS[n]  {ns}:job_stats:<id> (hash) of the nth job
-- Reply    { 'read', JSON: [ now (unix s), job… ] }. A job is [FIELDS…] (false for a missing field), or `nothing` (no stats), or
--          `unreadable` (a key of another type). One text is decoded several times faster than the thousands of small replies
--          that it replaces. The caller makes the fingerprint of a job that acts: here it would cost as much as all the rest.
-- Also written by: the Go jobservice, and every script that changes a job. This one writes nothing.
--- @include now
--- @include facts

local MAX_BYTES = 250000
local reply, size = { now() }, 0
for i = 1, #KEYS do
  if size > MAX_BYTES then
    break
  end
  local values = readFacts(KEYS[i])
  if type(values) == 'table' then
    for n = 1, #FIELDS do
      size = size + #(values[n] or '')
    end
  end
  reply[i + 1] = values
end
return { 'read', cjson.encode(reply) }
