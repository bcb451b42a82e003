-- The mark of an entry in a plan: what is done with it (`r`: requeued, `q`: quarantined), and 11 hex digits of the SHA-1 of its bytes. In the
-- plan of a list (`PlannedRescue.marks`), `-` instead of the letter marks an entry that stays.
local MARK = 12

local function markOf(does, entry)
  return does .. string.sub(redis.sha1hex(entry), 1, MARK - 1)
end
