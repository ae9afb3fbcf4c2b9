use super::super::zone::Zone;
use super::*;

fn asker() -> Asker {
    Asker { now: "2026-03-01T10:00:00Z".parse().unwrap(), user: "u1".to_owned(), zone: Zone::default() }
}

fn read(text: &str) -> Query {
    parse(text, &asker())
}

fn one(text: &str) -> Condition {
    condition(text, &asker()).unwrap()
}

fn sizes(group: &[Term]) -> Vec<usize> {
    let size = |term: &Term| match term {
        Term::Either(conditions) => conditions.len(),
        _ => 0,
    };
    group.iter().map(size).collect()
}

#[test]
fn or_binds_to_the_condition_before_it() {
    assert_eq!(sizes(&read("a=1^b=2^ORc=3").groups[0]), [1, 2]);
}

#[test]
fn a_new_query_is_an_alternative() {
    assert_eq!(read("a=1^NQb=2^EQ").groups.len(), 2);
}

#[test]
fn order_is_told_from_or() {
    let query = read("a=1^ORDERBYDESCsys_created_on^ORDERBYnumber");
    assert_eq!(query.order.len(), 2);
    assert!(query.order[0].descending);
    assert_eq!(query.groups[0].len(), 1);
}

#[test]
fn a_doubled_caret_belongs_to_the_value() {
    assert_eq!(read("a=x^^y").groups[0], [Term::Either(vec![one("a=x^y")])]);
}

#[test]
fn what_is_not_simulated_is_told_apart() {
    for part in [
        "parentIN_HIERARCHYx",
        "aSAMEASb",
        "aDYNAMICb",
        "stateVALCHANGES",
        "sys_created_onDATEPARTMonday@javascript:x",
        "sys_created_on>javascript:gs.unknown(1)",
        "AAAA=BBBB",
        "RLQUERYnonsense",
    ] {
        let query = read(&format!("a=1^{part}"));
        assert_eq!((sizes(&query.groups[0]), query.unknown), (vec![1], vec![part.to_owned()]));
    }
}

#[test]
fn a_script_stands_for_its_value() {
    assert_eq!(one("opened_by=javascript:gs.getUserID()").value, "u1");
    let day = "dueONToday@javascript:gs.beginningOfToday()@javascript:gs.endOfToday()";
    assert_eq!(one(day).value, "2026-03-01 00:00:00@2026-03-01 23:59:59");
    assert_eq!(one("dueNOTONx@a@b").op, Op::NotBetween);
    assert_eq!(one("sys_updated_onRELATIVEGT@hour@ago@1").value, "2026-03-01 09:00:00");
    assert_eq!(one("dueBETWEENjavascript:gs.daysAgo(1)@2026-03-01").value, "2026-02-28 10:00:00@2026-03-01");
}

#[test]
fn a_related_list_and_a_join_count_rows_of_another_table() {
    let list = read("a=1^RLQUERYsys_user_grmember.group,>=2^user.active=true^ENDRLQUERY^b=2");
    let Term::Related(related) = &list.groups[0][1] else { panic!("{list:?}") };
    assert_eq!((related.table.as_str(), related.by.as_str()), ("sys_user_grmember", "group"));
    assert_eq!((related.is_met_by(1), related.is_met_by(2)), (false, true));
    assert_eq!(list.groups[0].len(), 3);
    let join = read("JOINsys_user.sys_id=sys_user_group.manager!active=true^name=x");
    let Term::Related(related) = &join.groups[0][0] else { panic!("{join:?}") };
    assert_eq!(related.query.groups[0].len(), 2);
}

#[test]
fn words_are_looked_for_everywhere() {
    assert_eq!(read("123TEXTQUERY321=disk full").groups[0], [Term::Words("disk full".to_owned())]);
}

#[test]
fn each_operator_compares_as_documented() {
    let table = [
        ("a=X", "x", true),
        ("a!=x", "", false),
        ("a!=x", "y", true),
        ("a=", "", true),
        ("a!=", "y", true),
        ("aIN1,2,3", "2", true),
        ("aNOT IN1,2", "2", false),
        ("aSTARTSWITHil1.", "il1.abc", true),
        ("aSTARTSWITHÄB", "äbc", true),
        ("aSTARTSWITHabc", "ab", false),
        ("aENDSWITHbc", "abc", true),
        ("a%bc", "abc", true),
        ("aLIKEb", "abc", true),
        ("a*b", "abc", true),
        ("a!*b", "abc", false),
        ("aNOT LIKEb", "abc", false),
        ("aCONTAINSb", "abc", true),
        ("aDOES NOT CONTAINb", "abc", false),
        ("aISEMPTY", "", true),
        ("aEMPTYSTRING", "x", false),
        ("aISNOTEMPTY", "", false),
        ("aANYTHING", "", true),
        ("a<10", "9", true),
        ("a<=9", "9", true),
        ("a>-5", "-4", true),
        ("a>=2026-01-01 00:00:00", "2026-01-01 00:00:01", true),
        ("aBETWEEN1@3", "3", true),
        ("aBETWEEN1@3", "4", false),
        ("aONx@2026-01-01@2026-01-31", "2026-01-15", true),
        ("aNOTONx@2026-01-01@2026-01-31", "2026-01-15", false),
        ("aRELATIVELT@hour@ago@1", "2026-03-01 08:00:00", true),
        ("aRELATIVEEE@day@ago@1", "2026-02-28 08:00:00", true),
    ];
    for (text, value, fits) in table {
        assert_eq!(one(text).fits(value, value), fits, "{text} on {value}");
    }
}
