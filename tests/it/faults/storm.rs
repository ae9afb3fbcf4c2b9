//! Many gates that wait for the same moment.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use interlock_rules::next_look;
use interlock_runtime::ports::broker::Tier;

const GATES: i64 = 10_000;
/// Requests came within this time.
const SPREAD_S: i64 = 600;

#[test]
fn ten_thousand_gates_with_one_window_start_come_in_bounded_numbers_and_never_at_once_again() {
    let began: DateTime<Utc> = "2026-03-01T09:00:00Z".parse().expect("a time");
    let (opens, deadline) = (began + TimeDelta::hours(1), began + TimeDelta::hours(8));
    let (mut each_second, mut most) = (BTreeMap::<i64, u32>::new(), 0);
    for gate in 0..GATES {
        let mut now = began + TimeDelta::milliseconds(gate * SPREAD_S * 1000 / GATES);
        let mut in_last_minutes = 0;
        while now < opens {
            let tier = Tier::within(next_look(now, deadline, Some(opens)));
            assert!(tier >= Tier::OneSecond);
            *each_second.entry(now.timestamp()).or_default() += 1;
            in_last_minutes += u32::from(opens - now <= TimeDelta::minutes(2));
            now += TimeDelta::from_std(tier.duration()).expect("a tier is short");
        }
        assert!(now - opens < TimeDelta::seconds(1), "a gate comes {} after its window opened", now - opens);
        most = most.max(in_last_minutes);
    }
    let on_average = GATES / 120;
    let long_before =
        each_second.range(..(opens - TimeDelta::minutes(4)).timestamp()).map(|(_, count)| *count);
    let busiest = long_before.max().expect("ticks");
    assert!(i64::from(busiest) <= on_average * 2, "{busiest} looks in one second, {on_average} on average");
    // 120 s are at most 3 ticks of 30 s, 5 of 5 s and 5 of 1 s, and the one that found them.
    assert!(most <= 14, "{most} looks of one gate in its last two minutes");
    let busiest = each_second.values().max().expect("ticks");
    assert!(i64::from(*busiest) <= GATES, "{busiest} looks in the busiest second");
}
