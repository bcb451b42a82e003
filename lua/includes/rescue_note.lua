--- @include prove

-- Notes that entries of a dead pool were requeued or quarantined, in the step that did it. The step that removes the pool takes the note, and
-- says whether there was one. So of several reapers that rescue one pool, one reports it, also if the pool has no registration or no
-- heartbeat that shows its death.
--
-- {ns}:reaper:rescues:<pool> (string), for a day: longer than any rescue takes, and as long as a suspect is kept

-- Returns the key if the note can be written, else nil; comes before the first write. A key that holds something else must not stop a rescue.
local function writableNote(key)
  return not refusalOf({ { key, 'string', 'SET' } }) and key or nil
end

-- note: as `writableNote` has returned it
local function writeNote(note)
  if note then
    redis.call('SET', note, '1', 'EX', 86400)
  end
end

-- Whether there is a note that can be removed; comes before the first write.
local function hasNote(note)
  return not refusalOf({ { note, 'string', 'EXISTS', 'DEL' } }) and redis.call('EXISTS', note) == 1
end
