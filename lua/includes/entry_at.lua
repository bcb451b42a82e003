-- An entry of an in-progress list, by the SHA-1 of its bytes and its place from the tail (1 for the last one): `<SHA-1>:<place>`.
-- Entries come in at the head, and go from anywhere, so it can only have come nearer to the tail. Nil where it is not found within
-- a bounded number of entries and bytes: whoever looks again finds it at its new place, if it is there.
local function entryAt(list, known)
  local digest, place = string.match(known, '^(%x+):(%d+)$')
  local size = 0
  for at = tonumber(place or 0), math.max(1, (tonumber(place) or 0) - 255), -1 do
    local entry = redis.call('LINDEX', list, -at)
    if entry and redis.sha1hex(entry) == digest then
      return entry
    end
    size = size + (entry and #entry or 0)
    if size > 1000000 then
      return nil
    end
  end
  return nil
end
