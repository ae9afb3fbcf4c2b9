//! The calls in SQL, within the caller's transaction.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_runtime::ports::store::{Admission, Chain, Epoch};
use rusqlite::types::Type;
use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::busy_hint;

/// How many expired rows a write clears away: more than it makes.
const SWEEP_ROWS: u32 = 16;
/// How long an entry of a projection stays that nobody removes: longer than any gate.
const PROJECTION_DAYS: i64 = 35;

type Moment = DateTime<Utc>;

fn after(now: Moment, delay: Duration) -> i64 {
    let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    now.timestamp_millis().saturating_add(delay)
}

pub(super) fn get(tx: &Transaction<'_>, key: &str, now: Moment) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached("SELECT value FROM entry WHERE key = ?1 AND expires > ?2")?
        .query_row(params![key, now.timestamp_millis()], |row| row.get(0))
        .optional()
}

pub(super) fn put(
    tx: &Transaction<'_>,
    key: &str,
    value: &str,
    now: Moment,
    ttl: Duration,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM entry WHERE key IN (SELECT key FROM entry WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    )?
    .execute(params![now.timestamp_millis(), SWEEP_ROWS])?;
    tx.prepare_cached("INSERT OR REPLACE INTO entry (key, value, expires) VALUES (?1, ?2, ?3)")?
        .execute(params![key, value, after(now, ttl)])?;
    Ok(())
}

/// The chain rule. Held as `<tick> <tag>`.
pub(super) fn advance(
    tx: &Transaction<'_>,
    key: &str,
    (tick, tag): (u64, &str),
    now: Moment,
    ttl: Duration,
) -> rusqlite::Result<Chain> {
    let held = get(tx, key, now)?;
    let holder = held.as_deref().and_then(|held| held.split_once(' '));
    if let Some((holder_tick, holder_tag)) = holder
        && let Ok(holder_tick) = holder_tick.parse()
        && (holder_tick, holder_tag) != (tick, tag)
        && holder_tick >= tick
    {
        return Ok(Chain::Other { tick: holder_tick });
    }
    put(tx, key, &format!("{tick} {tag}"), now, ttl)?;
    Ok(Chain::Holder)
}

pub(super) fn project(
    tx: &Transaction<'_>,
    projection: &str,
    field: &str,
    value: &str,
    now: Moment,
) -> rusqlite::Result<()> {
    let forgotten = now - TimeDelta::days(PROJECTION_DAYS);
    tx.prepare_cached("DELETE FROM projection WHERE written < ?1")?
        .execute([forgotten.timestamp_millis()])?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO projection (name, field, value, written) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![projection, field, value, now.timestamp_millis()])?;
    Ok(())
}

pub(super) fn projected(
    tx: &Transaction<'_>,
    projection: &str,
    field: &str,
) -> rusqlite::Result<Option<String>> {
    tx.prepare_cached("SELECT value FROM projection WHERE name = ?1 AND field = ?2")?
        .query_row([projection, field], |row| row.get(0))
        .optional()
}

pub(super) fn projection(
    tx: &Transaction<'_>,
    projection: &str,
    limit: usize,
) -> rusqlite::Result<Vec<(String, String)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.prepare_cached("SELECT field, value FROM projection WHERE name = ?1 LIMIT ?2")?
        .query_map(params![projection, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The epoch goes on only in the start of the machine in which it began.
pub(super) fn epoch(
    tx: &Transaction<'_>,
    fresh: &str,
    boot: Option<&str>,
    now: Moment,
) -> rusqlite::Result<Epoch> {
    let begin = "INSERT INTO epoch (one, id, since, boot) VALUES (1, ?1, ?2, ?3)
        ON CONFLICT (one) DO UPDATE SET id = ?1, since = ?2, boot = ?3 WHERE boot IS NOT ?3";
    tx.prepare_cached(begin)?.execute(params![fresh, now.timestamp_millis(), boot])?;
    let (id, since): (String, i64) =
        tx.query_row("SELECT id, since FROM epoch", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let since = DateTime::from_timestamp_millis(since).ok_or_else(|| {
        rusqlite::Error::InvalidColumnType(1, "the epoch's beginning is no time".into(), Type::Integer)
    })?;
    Ok(Epoch { id, since, age: (now - since).to_std().unwrap_or_default() })
}

pub(super) fn acquire(
    tx: &Transaction<'_>,
    instance: &str,
    holder: &str,
    limit: u32,
    (now, lease): (Moment, Duration),
) -> rusqlite::Result<Admission> {
    let now_ms = now.timestamp_millis();
    if let Some(left) = paused(tx, instance, now)? {
        return Ok(Admission::Paused(left));
    }
    tx.prepare_cached("DELETE FROM permit WHERE ends <= ?1")?.execute([now_ms])?;
    let (others, first_ends): (u32, Option<i64>) = tx
        .prepare_cached("SELECT count(*), min(ends) FROM permit WHERE instance = ?1 AND holder <> ?2")?
        .query_row([instance, holder], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if others >= limit {
        let wait = first_ends.map_or(0, |ends| ends - now_ms).unsigned_abs();
        return Ok(Admission::Busy(busy_hint(Duration::from_millis(wait))));
    }
    tx.prepare_cached("INSERT OR REPLACE INTO permit (instance, holder, ends) VALUES (?1, ?2, ?3)")?
        .execute(params![instance, holder, after(now, lease)])?;
    Ok(Admission::Admitted)
}

pub(super) fn paused(
    tx: &Transaction<'_>,
    instance: &str,
    now: Moment,
) -> rusqlite::Result<Option<Duration>> {
    let ends: Option<i64> = tx
        .prepare_cached("SELECT ends FROM pause WHERE instance = ?1")?
        .query_row([instance], |row| row.get(0))
        .optional()?;
    let left = ends.unwrap_or(0) - now.timestamp_millis();
    Ok((left > 0).then(|| Duration::from_millis(left.unsigned_abs())))
}

pub(super) fn pause(
    tx: &Transaction<'_>,
    instance: &str,
    now: Moment,
    pause: Duration,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO pause (instance, ends) VALUES (?1, ?2)
         ON CONFLICT (instance) DO UPDATE SET ends = max(ends, excluded.ends)",
    )?
    .execute(params![instance, after(now, pause)])?;
    Ok(())
}
