-- Reads how long a queue is, and the job id and the time of its oldest entry. Entries themselves never leave Redis: they may be large.
--
-- KEYS[1]  {ns}:jobs:<type> (list)
-- Reply    { 'read', how many entries, job id of the oldest ('' for none), its `t` (unix s) as it is written ('' for no number) }
-- Also written by: the Go jobservice, gocraft, and every script that moves entries. This one writes nothing.
--- @include prove
--- @include entry

local queue = KEYS[1]
local refused = refusalOf({ { queue, 'list', 'LLEN', 'LINDEX' } })
if refused then
  return refused
end
-- Entries are pushed at the head, so the oldest one is at the tail.
local oldest = redis.call('LINDEX', queue, -1)
local id, _, members = jobOf(oldest or '')
local at = members and members.t
return {
  'read',
  redis.call('LLEN', queue),
  id or '',
  at and find(oldest, '^%d', at[1]) and sub(oldest, at[1], at[2]) or '',
}
