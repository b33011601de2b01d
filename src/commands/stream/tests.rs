use crate::resp::Protocol;
use crate::server::testbed::Testbed;

/// A reply as one line.
fn line(bed: &mut Testbed, command: &str) -> String {
    bed.run(command).replace("\r\n", " ").trim_end().to_owned()
}

/// A server with a stream `s` of entries `1-0`, `2-0` …, and a group `g` that has read nothing.
fn with_entries(count: u64) -> Testbed {
    let mut bed = Testbed::new();
    for ms in 1..=count {
        bed.run(&format!("xadd s {ms}-0 f v{ms}"));
    }
    bed.run("xgroup create s g 0 mkstream");
    bed
}

fn ids(bed: &mut Testbed, key: &str) -> String {
    let reply = bed.run(&format!("xrange {key} - +"));
    let ids = reply.split("\r\n").filter(|line| line.ends_with("-0") && !line.starts_with(['$', '*']));
    ids.collect::<Vec<_>>().join(" ")
}

#[test]
fn xadd_is_propagated_with_the_id_it_gave() {
    let mut bed = Testbed::new();
    assert_eq!(bed.propagated("xadd s 5-1 a b"), ["xadd s 5-1 a b"]);
    assert_eq!(bed.propagated("xadd s 5-* a b"), ["xadd s 5-2 a b"]);
    assert_eq!(bed.propagated("xadd s 6 a b"), ["xadd s 6 a b"]);
    let now = bed.propagated("xadd s NOMKSTREAM * a b");
    let id = now[0].strip_prefix("xadd s NOMKSTREAM ").and_then(|rest| rest.strip_suffix(" a b"));
    assert!(id.is_some_and(|id| id.ends_with("-0") && id.len() > 12), "{now:?}");
    assert_eq!(bed.propagated("xadd s 1-1 a b"), [""; 0]);
    assert_eq!(bed.propagated("xadd none nomkstream * a b"), [""; 0]);
}

#[test]
fn rough_trimming_is_propagated_as_what_it_came_to() {
    let mut bed = Testbed::new();
    bed.server.config.stream_node_max_entries = 10;
    for ms in 1..=35 {
        bed.run(&format!("xadd s {ms}-0 f v"));
    }
    assert_eq!(bed.propagated("xadd s maxlen ~ 22 36-0 f v"), ["xadd s maxlen = 26 36-0 f v"]);
    assert_eq!(bed.propagated("xadd s minid ~ 25 37-0 f v"), ["xadd s minid = 21-0 37-0 f v"]);
    assert_eq!(bed.propagated("xtrim s maxlen ~ 15"), [""; 0]);
    assert_eq!(bed.propagated("xtrim s maxlen ~ 5 limit 20"), ["xtrim s maxlen = 7 limit 20"]);
    assert_eq!(bed.propagated("xtrim s maxlen 6"), ["xtrim s maxlen 6"]);
    assert_eq!(ids(&mut bed, "s"), "32-0 33-0 34-0 35-0 36-0 37-0");
    assert_eq!(bed.propagated("xtrim s minid = 33"), ["xtrim s minid = 33"]);
}

#[test]
fn deliveries_are_propagated_as_claims() {
    let mut bed = with_entries(2);
    let claims = bed.propagated("xreadgroup group g c streams s >");
    assert_eq!(claims.len(), 3);
    assert!(claims[0].starts_with("XCLAIM s g c 0 1-0 TIME 1"), "{claims:?}");
    assert!(claims[0].ends_with(" RETRYCOUNT 1 FORCE JUSTID LASTID 1-0"), "{claims:?}");
    assert!(claims[1].ends_with(" RETRYCOUNT 1 FORCE JUSTID LASTID 2-0"), "{claims:?}");
    assert_eq!(claims[2], "XGROUP SETID s g 2-0 ENTRIESREAD 2");
    assert_eq!(bed.propagated("xreadgroup group g c streams s >"), [""; 0]);
    assert_eq!(bed.propagated("xreadgroup group g c streams s 0"), [""; 0]);
    assert_eq!(bed.propagated("xreadgroup group g other streams s 0"), [""; 0]);

    bed.run("xadd s 3-0 f v");
    let unacknowledged = ["XGROUP CREATECONSUMER s g d", "XGROUP SETID s g 3-0 ENTRIESREAD 3"];
    assert_eq!(bed.propagated("xreadgroup group g d noack streams s >"), unacknowledged);
    let claimed = bed.propagated("xclaim s g e 0 1-0 2 retrycount 9");
    assert!(claimed[0].starts_with("XCLAIM s g e 0 1-0 TIME "), "{claimed:?}");
    assert!(claimed[1].ends_with(" RETRYCOUNT 9 FORCE JUSTID LASTID 3-0"), "{claimed:?}");
    assert_eq!(bed.propagated("xclaim s g e 0 9-0 lastid 7-0"), ["XGROUP SETID s g 7-0 ENTRIESREAD 3"]);
    bed.run("xdel s 1-0");
    let swept = bed.propagated("xautoclaim s g f 0 0 justid");
    assert!(swept[0].starts_with("XCLAIM s g e 0 1-0 "), "{swept:?}");
    assert!(swept[1].starts_with("XCLAIM s g f 0 2-0 "), "{swept:?}");
    assert_eq!(bed.propagated("xack s g 1-0"), [""; 0]);
    assert_eq!(bed.propagated("xack s g 2-0"), ["xack s g 2-0"]);
}

#[test]
fn a_transaction_propagates_what_its_reads_delivered() {
    let mut bed = with_entries(1);
    bed.run("multi");
    bed.run("xreadgroup group g c streams s >");
    bed.run("xreadgroup group g c block 0 streams s >");
    bed.server.propagation_tap = Some(Vec::new());
    let reply = bed.run("exec");
    assert!(reply.ends_with("*-1\r\n"), "{reply}");
    let taps = bed.server.propagation_tap.take().unwrap_or_default();
    let names: Vec<_> =
        taps.iter().flatten().map(|(_, request)| String::from_utf8_lossy(request.view().get(0)).into_owned()).collect();
    assert_eq!(names.iter().filter(|name| *name == "XCLAIM").count(), 1, "{names:?}");
    assert!(!names.iter().any(|name| name == "xreadgroup"), "{names:?}");
}

#[test]
fn replies_are_arrays_in_resp2_and_maps_in_resp3() {
    let mut bed = with_entries(1);
    assert_eq!(line(&mut bed, "xread streams s none 0 0"), "*1 *2 $1 s *1 *2 $3 1-0 *2 $1 f $2 v1");
    assert_eq!(line(&mut bed, "xread streams s $"), "*-1");
    assert_eq!(line(&mut bed, "xread count 5 streams s +"), "*1 *2 $1 s *1 *2 $3 1-0 *2 $1 f $2 v1");
    bed.protocol = Protocol::Resp3;
    assert_eq!(line(&mut bed, "xread streams s 0"), "%1 $1 s *1 *2 $3 1-0 *2 $1 f $2 v1");
    assert_eq!(line(&mut bed, "xread streams s 1"), "_");
    assert_eq!(line(&mut bed, "xpending s g"), "*4 :0 _ _ _");
    let groups = "*1 %6 $4 name $1 g $9 consumers :0 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read _ \
                  $3 lag :1";
    assert_eq!(line(&mut bed, "xinfo groups s"), groups);
    assert!(line(&mut bed, "xinfo stream s").starts_with("%16 $6 length :1 $15 radix-tree-keys :1 "));
    assert!(line(&mut bed, "xinfo stream s full").starts_with("%15 $6 length :1 "));
}

#[test]
fn xdelex_and_xackdel_regard_references() {
    let mut bed = with_entries(4);
    bed.run("xgroup create s h 0");
    bed.run("xreadgroup group g c streams s >");
    assert_eq!(line(&mut bed, "xdelex s acked ids 1 1-0"), "*1 :2");
    bed.run("xreadgroup group h c count 2 streams s >");
    bed.run("xack s g 1-0");
    assert_eq!(line(&mut bed, "xdelex s ACKED IDS 2 1-0 3-0"), "*2 :2 :2");
    assert_eq!(line(&mut bed, "xackdel s h acked ids 2 1-0 2-0"), "*2 :1 :2");
    assert_eq!(line(&mut bed, "xackdel s h acked ids 1 2-0"), "*1 :-1");
    assert_eq!(line(&mut bed, "xackdel s g ids 1 2-0"), "*1 :1");
    assert_eq!(ids(&mut bed, "s"), "3-0 4-0");
    assert_eq!(line(&mut bed, "xdelex s ids 2 3-0 7-0 delref"), "*2 :1 :-1");
    assert_eq!(line(&mut bed, "xpending s g"), "*4 :1 $3 4-0 $3 4-0 *1 *2 $1 c $1 1");
    assert_eq!(line(&mut bed, "xdelex none ids 2 1 2"), "*2 :-1 :-1");
    for wrong in ["xdelex s keepref delref ids 1 1", "xdelex s ids 1 1-0 2-0", "xdelex s keepref keepref ids"] {
        assert_eq!(line(&mut bed, wrong), "-ERR syntax error");
    }
    let mismatch = "-ERR The `numids` parameter must match the number of arguments";
    assert_eq!(line(&mut bed, "xdelex s ids 3 1-0 2-0"), mismatch);
    // What only groups still knew of is forgotten, and that is propagated.
    bed.run("xdel s 4-0");
    assert_eq!(bed.propagated("xdelex s delref ids 1 4-0"), ["xdelex s delref ids 1 4-0"]);
    assert_eq!(line(&mut bed, "xpending s g"), "*4 :0 $-1 $-1 *-1");
}

#[test]
fn trimming_can_regard_references() {
    let mut bed = with_entries(5);
    bed.run("xreadgroup group g c count 2 streams s >");
    bed.run("xack s g 1-0");
    assert_eq!(line(&mut bed, "xtrim s maxlen 0 acked"), ":1");
    assert_eq!(ids(&mut bed, "s"), "2-0 3-0 4-0 5-0");
    assert_eq!(line(&mut bed, "xadd s DELREF maxlen 2 6-0 f v"), "$3 6-0");
    assert_eq!(ids(&mut bed, "s"), "5-0 6-0");
    assert_eq!(line(&mut bed, "xpending s g"), "*4 :0 $-1 $-1 *-1");
}

#[test]
fn rough_trimming_with_regard_to_references_comes_to_the_same_elsewhere() {
    for trim in ["xtrim s minid ~ 9 acked", "xtrim s acked maxlen ~ 2", "xadd s acked minid ~ 9 11-0 f v"] {
        let twin = || {
            let mut bed = Testbed::new();
            bed.server.config.stream_node_max_entries = 4;
            for ms in 1..=10 {
                bed.run(&format!("xadd s {ms}-0 f v"));
            }
            bed.run("xgroup create s g 0");
            bed.run("xreadgroup group g c streams s >");
            bed.run("xack s g 1-0 3-0 4-0 5-0 7-0");
            bed
        };
        let (mut primary, mut replica) = (twin(), twin());
        let propagated = primary.propagated(trim);
        assert_eq!(propagated.len(), 1, "{trim}");
        assert!(!propagated[0].contains('~'), "{propagated:?}");
        replica.run(&propagated[0]);
        assert!(ids(&mut primary, "s").starts_with("2-0 6-0 8-0 9-0 10-0"), "{trim}");
        assert_eq!(ids(&mut replica, "s"), ids(&mut primary, "s"), "{trim}");
        // Nothing more can go.
        assert_eq!(primary.propagated("xtrim s minid ~ 9 acked"), [""; 0]);
        let again = primary.propagated("xadd s acked minid ~ 9 12-0 f v");
        assert_eq!(again, ["xadd s acked minid = 0-0 12-0 f v"], "{trim}");
    }
}

#[test]
fn a_group_has_read_no_more_entries_than_there_ever_were() {
    let mut bed = with_entries(4);
    bed.run("xgroup create s h 0 entriesread 9");
    bed.run("xgroup setid s g 2-0 entriesread 100");
    let groups = line(&mut bed, "xinfo groups s");
    assert_eq!(groups.matches("entries-read :4 ").count(), 2, "{groups}");
    assert!(groups.contains("0-0 $12 entries-read :4 $3 lag :4"), "{groups}");
    // Not even if it goes on from there.
    bed.run("xreadgroup group g c count 1 streams s >");
    let read_on = line(&mut bed, "xinfo groups s");
    assert!(read_on.contains("3-0 $12 entries-read :4 $3 lag :0"), "{read_on}");
    // Nor if there were fewer than was thought.
    bed.run("xtrim s maxlen 1");
    bed.run("xsetid s 4-0 entriesadded 2");
    let fewer = line(&mut bed, "xinfo groups s");
    assert!(fewer.contains("3-0 $12 entries-read :2 $3 lag :1"), "{fewer}");
}

#[test]
fn the_last_id_of_a_stream_is_not_set_below_a_deleted_one() {
    let mut bed = with_entries(5);
    bed.run("xdel s 5-0");
    let refused = "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
    assert_eq!(line(&mut bed, "xsetid s 4-0"), refused);
    assert_eq!(line(&mut bed, "xsetid s 5-0"), "+OK");
}

#[test]
fn deliveries_are_counted_beyond_four_billion() {
    let mut bed = with_entries(1);
    bed.run("xclaim s g c 0 1-0 force retrycount 8589934592");
    bed.run("xclaim s g c 0 1-0");
    assert!(line(&mut bed, "xpending s g - + 1").ends_with(":8589934593"));
    let claims = bed.propagated("xclaim s g c 0 1-0 retrycount 9223372036854775807");
    assert!(claims[0].contains(" RETRYCOUNT 9223372036854775807 "), "{claims:?}");
    bed.run("xclaim s g c 0 1-0");
    assert!(line(&mut bed, "xpending s g - + 1").ends_with(":9223372036854775807"));
}

#[test]
fn what_groups_remember_is_no_change_to_those_who_watch_the_key() {
    let mut bed = with_entries(2);
    for command in [
        "xgroup createconsumer s g c",
        "xreadgroup group g c streams s >",
        "xack s g 1-0",
        "xclaim s g d 0 2-0",
        "xgroup setid s g 0",
        "xgroup destroy s g",
    ] {
        bed.run("watch s");
        let before = bed.db.dirty;
        bed.run(command);
        assert!(bed.db.dirty > before, "{command}");
        bed.run("multi");
        assert_eq!(line(&mut bed, "exec"), "*0", "{command}");
    }
    bed.run("watch s");
    bed.run("xdel s 1-0");
    bed.run("multi");
    assert_eq!(line(&mut bed, "exec"), "*-1");
}

#[test]
fn a_stream_may_be_empty_and_is_still_there() {
    let mut bed = with_entries(1);
    bed.run("xdel s 1-0");
    assert_eq!(line(&mut bed, "xlen s"), ":0");
    assert_eq!(line(&mut bed, "exists s"), ":1");
    assert_eq!(line(&mut bed, "type s"), "+stream");
    assert_eq!(line(&mut bed, "object encoding s"), "$6 stream");
    assert!(line(&mut bed, "xadd s 1-0 f v").starts_with("-ERR The ID specified in XADD is equal or smaller"));
    assert_eq!(line(&mut bed, "copy s t"), ":1");
    assert!(line(&mut bed, "xadd t 1-0 f v").starts_with("-ERR The ID specified in XADD is equal or smaller"));
}
