//! What Redis must do in one step, in Lua. Times are the server's, so that no two processes differ in them.

use redis::Script;

/// The scripts, hashed once.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) swap: Script,
    pub(super) release: Script,
    pub(super) advance: Script,
    pub(super) project: Script,
    pub(super) epoch: Script,
    pub(super) acquire: Script,
    pub(super) pause: Script,
    pub(super) paused: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            claim: Script::new(CLAIM),
            swap: Script::new(SWAP),
            release: Script::new(RELEASE),
            advance: Script::new(ADVANCE),
            project: Script::new(PROJECT),
            epoch: Script::new(EPOCH),
            acquire: Script::new(ACQUIRE),
            pause: Script::new(PAUSE),
            paused: Script::new(PAUSED),
        }
    }
}

/// Value, milliseconds to live. Answers what is held, or nil when the key is ours now.
const CLAIM: &str = "
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false";

/// Expected, new value, milliseconds to live.
const SWAP: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Expected.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// Tick as 20 digits, tag, milliseconds to live. Answers nil for the holder, else the holder's tick.
///
/// Ticks are compared as text: a number in Lua is a double, and not every tick is one.
const ADVANCE: &str = "
local held = redis.call('GET', KEYS[1])
local pair = ARGV[1] .. ' ' .. ARGV[2]
if held and held ~= pair and string.sub(held, 1, 20) >= ARGV[1] then return string.sub(held, 1, 20) end
redis.call('SET', KEYS[1], pair, 'PX', ARGV[3])
return false";

/// Field, value, milliseconds that the whole projection lives after its last entry was written.
const PROJECT: &str = "
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])";

/// A fresh id. Answers id, beginning and now, in milliseconds.
///
/// A server that was started again may have lost its last writes (append-only file, `everysec`), and a
/// replica that took over as well: either has another run id, and another epoch begins.
const EPOCH: &str = "
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or 'unknown'
local held = redis.call('HMGET', KEYS[1], 'id', 'since', 'run')
if held[1] and held[2] and held[3] == run then return {held[1], held[2], now} end
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'since', now, 'run', run)
return {ARGV[1], now, now}";

/// Keys: pause, permits. Holder, limit, milliseconds of the lease.
/// Answers `admitted`, `busy` or `paused`, and milliseconds to wait.
const ACQUIRE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local paused = tonumber(redis.call('GET', KEYS[1]) or '0') - now
if paused > 0 then return {'paused', paused} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local has = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not has and redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[2]) then
  local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {'busy', first[2] and tonumber(first[2]) - now or 0}
end
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[3]), ARGV[1])
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
redis.call('PEXPIRE', KEYS[2], tonumber(last[2]) - now)
return {'admitted', 0}";

/// Milliseconds.
const PAUSE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + tonumber(ARGV[1])
if tonumber(redis.call('GET', KEYS[1]) or '0') >= ends then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', ends), 'PX', ARGV[1])
return 1";

/// Answers the milliseconds that are left of the pause.
const PAUSED: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local left = tonumber(redis.call('GET', KEYS[1]) or '0') - now
if left < 0 then return 0 end
return left";
