//! Key rules in the form of old, and the categories that follow from a row.

use super::*;

const ONE: Keys = Keys::at(1, Access::RO);
const TWO: Keys = Keys::at(2, Access::RO);
const UNKNOWN: Keys = Keys { begin: Begin::Unknown, find: Find::Unknown, access: Access::RO };
const NUMBERED: Keys =
    Keys { begin: Begin::Index(2), find: Find::Count { count: 0, first: 1, step: 1 }, access: Access::RO };
const WORD: Keys = Keys {
    begin: Begin::Keyword("KEYS", -2),
    find: Find::Range { last: -1, step: 1, limit: 0 },
    access: Access(Access::RO.0 | Access::INCOMPLETE.0),
};
const INCOMPLETE: Keys = Keys::at(3, Access(Access::RO.0 | Access::INCOMPLETE.0));

/// Rules, and the first, last, step and movable keys that a real server derives from them.
type Case = (&'static [Keys], (i64, i64, i64), bool);

const CASES: &[Case] = &[
    (&[], (0, 0, 0), false),
    (&[ONE], (1, 1, 1), false),
    (&[Keys::range(1, 1, 1, Access::RO)], (1, 2, 1), false),
    (&[Keys::range(1, -1, 2, Access::RO)], (1, -1, 2), false),
    (&[Keys::range(1, -2, 1, Access::RO)], (1, -2, 1), false),
    (&[ONE, TWO], (1, 2, 1), false),
    (&[TWO, Keys::range(3, -1, 1, Access::RO)], (2, -1, 1), false),
    (&[ONE, UNKNOWN, UNKNOWN], (1, 1, 1), true),
    (&[NUMBERED], (0, 0, 0), true),
    (&[ONE, NUMBERED], (1, 1, 1), true),
    (&[INCOMPLETE, WORD], (3, 3, 1), true),
    (&[INCOMPLETE], (3, 3, 1), true),
    (&[ONE, Keys::at(4, Access::RO)], (1, 1, 1), true),
];

#[test]
fn key_rules_fold_into_first_last_step_as_in_redis() {
    for (keys, (first, last, step), movable) in CASES {
        let row = Spec::new("x", Arity::at_least(2)).keys(keys);
        assert_eq!(row.key_range(), KeyRange { first: *first, last: *last, step: *step }, "{keys:?}");
        assert_eq!(row.shown_flags().has(MOVABLE_KEYS), *movable, "{keys:?}");
    }
}

#[test]
fn categories_follow_from_group_and_flags() {
    let row = |flags: &[Flags]| Spec::new("x", Arity::at_least(2)).group(Group::String).flags(flags).categories();
    let string = Categories::STRING.0;
    assert_eq!(row(&[READONLY, FAST]).0, string | Categories::READ.0 | Categories::FAST.0);
    assert_eq!(row(&[WRITE]).0, string | Categories::WRITE.0 | Categories::SLOW.0);
    let admin = Categories::ADMIN.0 | Categories::DANGEROUS.0 | Categories::SLOW.0;
    assert_eq!(row(&[ADMIN]).0, string | admin);
    assert_eq!(Spec::container("x").group(Group::String).categories(), Categories::SLOW);
}
