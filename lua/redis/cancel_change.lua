-- Asks for the answer of a change whose reply was lost, and does not run the change: a step of a rescue must not run again
-- right after a disruption. A change that was not done is canceled: if its call still reaches Redis later, nothing happens.
-- It takes no key and no argument but those of `includes/once.lua`, with the token of the change.
--
-- Returns  the answer of the change; `canceled` if it was not done
-- Others that touch these keys: the script of the change.
--- @include once

return answerOnce({ 'canceled' })
