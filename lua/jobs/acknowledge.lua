-- Notes what the hook's receiver has confirmed (see `includes/acknowledge.lua` for the rule).
--
-- KEYS[1]  stats
-- KEYS[2]  tracking hash
-- ARGV[1]  status
-- ARGV[2]  revision
-- ARGV[3]  check_in_at (0 for none)
-- ARGV[4]  job id
-- ARGV[5]  the stored acknowledgement to the letter, where the caller can't read it (left out otherwise)
-- Returns  `ok`; `none` (refused: what is stored is newer); `missing` (no stats)
-- Others that touch these keys: the Go jobservice's ACK, set status and reset.
--- @include prove
--- @include rank
--- @include count_down
--- @include ack
--- @include acknowledge

local refused = refusalOf({ usesOfAck(KEYS[1], KEYS[2], ARGV[1]) })
if refused then
  return refused
end
return acknowledge(KEYS[1], KEYS[2], ARGV[4], ARGV[1], ARGV[2], ARGV[3], ARGV[5])
