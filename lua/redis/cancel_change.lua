-- Asks for the reply of a change whose reply was lost, and does not run the change: a step of a rescue must not run again
-- right after a disruption. A change that was not done is canceled: if its call reaches Redis later, it does nothing.
-- The only key and argument are those of `includes/once.lua`, with the token of the change.
--
-- Reply    the reply of the change, or { 'canceled' } if it was not done
-- Also written by: the script of the change.
--- @include once

return answerOnce({ 'canceled' })
