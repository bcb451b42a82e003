-- Says whether a job is as it was judged. A refire writes nothing before its receiver has answered, and its hook is
-- built from what Redis holds at that moment; this is its check that the reason to fire still stands.
--
-- KEYS[1]  stats
-- ARGV[1]  fingerprint of the judged facts
-- Returns  `ok` or `overtaken`
-- Others that touch these keys: the Go jobservice and every script here. Writes nothing.
--- @include facts

return ARGV[1] == fingerprint(readFacts(KEYS[1])) and 'ok' or 'overtaken'
