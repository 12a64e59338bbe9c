"""What Redis does in one step, in its own language: each script is atomic, so that no two replicas come between."""

from typing import Final

# Keys: word, lock. Arguments: our mark, milliseconds of a lock, the word that is not wanted, the longest word.
# Answers: {1, word, milliseconds left}, {0} for our turn, {2} where somebody else has it.
# A lock without an end was written by nobody of us, and would stand for ever.
TURN: Final = """
if redis.call('STRLEN', KEYS[1]) <= tonumber(ARGV[4]) then
  local word = redis.call('GET', KEYS[1])
  if word and string.sub(word, 1, 32) ~= ARGV[3] then
    return {1, word, redis.call('PTTL', KEYS[1])}
  end
end
if redis.call('PTTL', KEYS[2]) == -1 then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {0} end
return {2}
"""

# Keys: word, lock. Arguments: our mark, the word, its milliseconds; a channel and what is said there, where it is.
# Whoever lost the lock while finding out may speak only where nobody else has spoken or is about to.
SETTLE: Final = """
local holder = redis.call('GET', KEYS[2])
if holder == ARGV[1] then
  redis.call('DEL', KEYS[2])
elseif holder or redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[5] then redis.pcall('PUBLISH', ARGV[4], ARGV[5]) end -- an account that may not is no fault
return 1
"""

# Keys: lock. Arguments: our mark, milliseconds; none of them ends the lock.
HOLD: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# Keys: word. Arguments: the mark of the word that holds no more, a channel, what is said there.
DROP: Final = """
if redis.call('GETRANGE', KEYS[1], 0, 31) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
"""

# Keys: the times of a client's last requests, the newest first. Arguments: how many in a period, its microseconds.
# Answers the microseconds until the next one passes; 0: this one did. The clock is Redis's own, the same for all.
HIT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then
  local left = redis.call('LINDEX', KEYS[1], ARGV[1] - 1) + ARGV[2] - now
  if left > tonumber(ARGV[2]) then
    redis.call('DEL', KEYS[1]) -- the clock was set back
  elseif left > 0 then
    return left
  end
end
redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000))
return 0
"""
