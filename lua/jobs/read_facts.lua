-- Reads the facts that a verdict needs, of many jobs at once: one round trip a page (defect 38). The size of a reply is
-- bounded: where the values are large, it holds the first jobs only, at least one, and the caller asks for the others.
--
-- KEYS[n]  {ns}:job_stats:<id> (hash) of the nth job
-- ARGV     the limits by which jobs that are plainly ongoing are passed over (`ongoing`); without them none is
-- Reply    { 'read', JSON: [ now (unix s), job… ], { type, how many of it were passed over, … }, processor time in µs }. A job is
--          [FIELDS…] (false for a missing field), `nothing` (no stats), `unreadable` (a key of another type), or false (passed
--          over). One text is decoded several times faster than the thousands of small replies that it replaces. The caller makes
--          the fingerprint of a job that acts: here it would cost as much as all the rest. The time is missing where the user may
--          not run INFO.
-- Also written by: the Go jobservice, and every script that changes a job. This one writes nothing.
--- @include processor_time
--- @include now
--- @include facts
--- @include ongoing

local MAX_BYTES = 250000
local time = now()
local ongoingType = #ARGV > 0 and findOngoing(time)
local reply, counts, size = { time }, {}, 0
for i = 1, #KEYS do
  if size > MAX_BYTES then
    break
  end
  local name = ongoingType and ongoingType(KEYS[i])
  if name then
    counts[name] = (counts[name] or 0) + 1
    reply[i + 1] = false
  else
    local values = readFacts(KEYS[i])
    if type(values) == 'table' then
      for n = 1, #FIELDS do
        size = size + #(values[n] or '')
      end
    end
    reply[i + 1] = values
  end
end
local passedOver = {}
for name, count in pairs(counts) do
  passedOver[#passedOver + 1] = name
  passedOver[#passedOver + 1] = count
end
return { 'read', cjson.encode(reply), passedOver, timeTaken() }
