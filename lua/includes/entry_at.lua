-- Finds an entry of an in-progress list by `<SHA-1>:<index>`: the SHA-1 of its bytes, and its index from the end (1 for the last one). New
-- entries are added at the head, and any entry may be removed, so it can only have moved towards the end. Returns nil if it is not found
-- within a bounded number of entries and bytes. Then the next pass finds it at its new index, if it still exists.
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
