"""What Redis does in one step, in its own language: each script is atomic, so that no two replicas come between."""

from typing import Final

# What stands under one of our names and is no text was written by nobody of us. It goes: an error would be taken for a
# store that is of no use, and whoever can write one such key would part all replicas.
_TEXT: Final = """
local function text(key, command, ...)
  local found = redis.pcall(command, key, ...)
  if type(found) ~= 'table' then return found end
  redis.call('DEL', key)
  return nil
end
"""

# Keys: word, lock. Arguments: our mark, milliseconds of a lock, the word that is not wanted, the longest word.
# Answers: {1, word, milliseconds left}, {0} for our turn, {2} where somebody else has it.
# A lock without an end, or with one that is far away, was written by nobody of us, and would keep all waiting.
TURN: Final = f"""{_TEXT}
if (text(KEYS[1], 'STRLEN') or 0) <= tonumber(ARGV[4]) then
  local word = redis.call('GET', KEYS[1])
  if word and string.sub(word, 1, 32) ~= ARGV[3] then
    return {{1, word, redis.call('PTTL', KEYS[1])}}
  end
end
local left = redis.call('PTTL', KEYS[2])
if left == -1 or left > tonumber(ARGV[2]) then redis.call('DEL', KEYS[2]) end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {{0}} end
return {{2}}
"""

# Keys: word, lock. Arguments: our mark, the word, its milliseconds; a channel and what is said there, where it is.
# Whoever lost the lock while finding out may speak only where nobody else has spoken or is about to.
SETTLE: Final = f"""{_TEXT}
local holder = text(KEYS[2], 'GET')
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
HOLD: Final = f"""{_TEXT}
if text(KEYS[1], 'GET') ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

# Keys: word. Arguments: the mark of the word that holds no more, a channel, what is said there.
DROP: Final = f"""{_TEXT}
if text(KEYS[1], 'GETRANGE', 0, 31) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.call('PUBLISH', ARGV[2], ARGV[3])
"""

# Keys: the times of a client's last requests, the newest first. Arguments: how many in a period, its microseconds.
# Answers the microseconds until the next one passes; 0: this one did. The clock is Redis's own, the same for all.
# What is no list of times was written by nobody of us, and goes; see `_TEXT`.
HIT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local count = redis.pcall('LLEN', KEYS[1])
if type(count) == 'table' then
  redis.call('DEL', KEYS[1])
elseif count >= tonumber(ARGV[1]) then
  local oldest = tonumber(redis.call('LINDEX', KEYS[1], ARGV[1] - 1))
  local left = oldest and oldest + ARGV[2] - now
  if not left or left > tonumber(ARGV[2]) then
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
