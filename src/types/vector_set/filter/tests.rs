//! What expressions say of attributes, as Redis 8.2 has it but for the escapes in strings and doubled negations, which
//! later versions have.

use proptest::prelude::*;

use super::Filter;

const ATTRIBUTES: &[u8] = br#"{"n":5,"s":"abc","b":true,"f":false,"z":null,"l":[1,"x",2],"o":{"q":1},"e":"","neg":-3,
    "ns":"5","esc":"a\"b","nl":[[1]],"bl":[true],"dup":1,"dup":2,"fl":5.5,"a-b":8,"a_b":9,"big":1e300,"el":[]}"#;

fn matches(expression: &str, attributes: &[u8]) -> bool {
    Filter::new(expression.as_bytes()).unwrap_or_else(|_| panic!("{expression}")).matches(attributes)
}

/// What is true of them.
const TRUE: &[&str] = &[
    ".n",
    ".s",
    ".b",
    ".l",
    ".el",
    ".nl",
    ".bl",
    "1 or .n",
    ".z == null",
    "!.z",
    "not .f",
    ".neg == -3",
    ".dup == 1",
    ".fl == 5.5",
    ".a_b == 9",
    ".a-b == 8",
    ".n == 5.0",
    ".n>4and.n<6",
    ".n in[5]",
    "1and1",
    ".n - -1 == 6",
    "5-1 == 4",
    "(5)-1 == 4",
    "5--1 == 6",
    ".n*-1 == -5",
    "2 ** 3 ** 2 == 512",
    "2 ** -1 == 0.5",
    "-2 ** 2 == 4",
    "7 % 3 == 1",
    "-7 % 3 == -1",
    "7.5 % 2 == 1.5",
    "10 - 2 - 3 == 5",
    "16 / 4 / 2 == 2",
    "1 + 2 * 3 == 7",
    "(1 + 2) * 3 == 9",
    "1 or 1 and 0",
    "0 and 1 or 1",
    "1 && (2 || 0) && !0",
    "1 < 2 < 3",
    "7 / 0 > 1",
    "7 % 0",
    ".s == 'abc'",
    ".s != 5",
    ".s >= \"abc\"",
    ".s < 4",
    ".s == 0",
    ".ns == 5",
    ".n == \"5\"",
    ".ns + 1 == 6",
    "\"10\" > 9",
    "\" 5\" == 5",
    "\"0x10\" == 16",
    "\"inf\" > 1",
    "\"1e400\" > 1",
    "\"nan\" != \"nan!\"",
    "\"b\" in .s",
    "\"\" in .s",
    ".s in \"xabcx\"",
    "\"x\" in .l",
    "\"1\" in .l",
    "1 in .l",
    ".n in ['5']",
    "\"a\" in [ \"a\" , 1 ]",
    "1 + 1 in [2]",
    "2 in [2] == 1",
    "[1] in [0]",
    "[1,2] == [1,3]",
    "[1,]",
    "[]",
    "null == null",
    "null + 1",
    "null < 1",
    "!(!1)",
    "not (not .n)",
    "!\"\"",
    ".esc == 'a\"b'",
    ".esc == \"a\\\"b\"",
    "\"\\n\" != \"n\"",
    "!1 + 1",
    "()1",
];

#[test]
fn expressions_are_true_of_attributes() {
    for expression in TRUE {
        assert!(matches(expression, ATTRIBUTES), "{expression}");
    }
}

#[test]
fn expressions_are_not_true_of_attributes() {
    for expression in [
        "0",
        ".f",
        ".z",
        ".e",
        ".o",
        ".missing",
        "!.missing",
        ".missing or 1",
        "1 or .missing",
        ".o or 1",
        ".",
        ".N",
        ".n-1 == 4",
        ".dup == 2",
        ".s > 4",
        ".s > \"abb\"",
        "\"b\" > \"a\"",
        "\"5x\" == 5",
        "\"1 \" == 1",
        "0/0 == 0/0",
        "3 > 2 > 1",
        "1 -1",
        "!.n == 5",
        "not 1 == 2",
        "not \"a\" in \"abc\"",
        "1 in .s",
        "1 in 1",
        "3 in .l",
        ".n in .l",
        "1 in []",
        "\"a\" in \"\"",
        "null",
        "0 == null",
        "\"\" == null",
        "[] == null",
        "null in [1]",
        ".l > 1",
        "!(1)",
        "2 not",
        "1 not in [2]",
        "-0",
        ".5",
        "5 in [5]-1",
    ] {
        assert!(!matches(expression, ATTRIBUTES), "{expression}");
    }
}

#[test]
fn what_is_no_expression_is_told_from_where_it_goes_wrong() {
    for (expression, near) in [
        ("", ""),
        (".n >", ".n >"),
        ("- 1", "- 1"),
        ("-.n", "-.n"),
        ("[1", "[1"),
        ("1 in [1,2", "1 in [1,2"),
        ("1]", "]"),
        ("[1 2]", "2]"),
        ("[,1]", ",1]"),
        ("[.n]", ".n]"),
        ("[[1]]", "[1]]"),
        ("[- 1]", " 1]"),
        (".n.x", ".n.x"),
        ("..", ".."),
        (".n 5", ".n 5"),
        ("()", "()"),
        ("(1", "(1"),
        ("1)", "1)"),
        ("1) + [2 3]", "3]"),
        ("1) and true * true", " * true"),
        ("1 +", "1 +"),
        ("and 1", "and 1"),
        ("1 andx 5", " 5"),
        ("nullx 5", " 5"),
        ("!!1", "!!1"),
        ("not not .n", "not not .n"),
        ("!!1 == 1", "!!1 == 1"),
        ("(null) or 1", " or 1"),
        ("(.n ==null) or 1", " or 1"),
        ("null==1 or 1", "1 or 1"),
        (".n=5", "5"),
        (".n===5", "5"),
        (".n> =5", "5"),
        ("1&1", "1"),
        ("true", "true"),
        ("\"abc", "\"abc"),
        ("1 == \"abc", "1 == \"abc"),
        ("1.5.5", "1.5.5"),
        ("1 == 1ee2 and 2", " and 2"),
        ("1e+2 == 100", "+2 == 100"),
        ("0x10 == 16", "10 == 16"),
        ("1_0", "_0"),
        ("1abc", "1abc"),
        (".n IN [5]", " [5]"),
        (".n # x", "# x"),
        ("1;", ";"),
        ("1 .\u{e9} x", ".\u{e9} x"),
    ] {
        let found = Filter::new(expression.as_bytes()).expect_err(expression);
        assert_eq!(&expression[found..], near, "{expression}");
    }
}

#[test]
fn attributes_are_read_no_further_than_the_field_and_forgivingly() {
    for (attributes, expression) in [
        (r#"{"a":1, garbage"#, ".a"),
        (r#"{"a":1 "b":2}"#, ".a"),
        (r#" {"a" : 1 , "b" : 2 } x"#, ".b"),
        (r#"{"a":"x\n\/\\\u0041"}"#, "\"u0041\" in .a and \"/\" in .a"),
        (r#"{"o":{"x":[1,{"a":"}"}]},"c":2}"#, ".c"),
        (r#"{"a":[1,null]}"#, "null in .a"),
        (r#"{"c":[1,[2]]}"#, "0 in .c"),
        (r#"{"a":01,"b":-1e2}"#, ".b == -100"),
        (r#"{"a":12x}"#, ".a == 12"),
        (r#"{"a":1e999}"#, ".a > 5"),
        (r#"{"a":1"#, ".a"),
        (r#"{"o":{"a":1]},"b":1}"#, ".b"),
    ] {
        assert!(matches(expression, attributes.as_bytes()), "{attributes} {expression}");
    }
    for (attributes, expression) in [
        (r#"{"a":1 "b":2}"#, ".b"),
        (r#"{"\u0061b":1}"#, ".ab"),
        (r#"{"b":[{"x":1}]}"#, ".b"),
        ("[1,2]", ".a"),
        (r#"{"a":tru,"b":1}"#, ".b"),
        (r#"{"a":truex}"#, ".a"),
        (r#"{"a":.5}"#, ".a"),
        (r#"{"a":1e}"#, ".a"),
        (r#"{"a":Infinity}"#, ".a"),
        (r#"{a:1}"#, ".a"),
        (r#"{"a":"x"#, ".a"),
        (r#"{"":1}"#, "."),
        (r#"{"a":1}{"b":2}"#, ".b"),
        ("", ".a"),
    ] {
        assert!(!matches(expression, attributes.as_bytes()), "{attributes} {expression}");
    }
}

#[test]
fn lists_in_lists_end_somewhere() {
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!matches(".a", deep.as_bytes()));
    assert!(matches(".b", deep.replace("}", ",\"b\":1}").as_bytes()));
}

proptest! {
    #[test]
    fn no_text_and_no_attributes_make_a_filter_panic(
        text in prop::collection::vec(prop::sample::select(b"().[],'\"\\ -+*/%!<>=&|1e5andornotinull\xc3".to_vec()), 0..24),
        json in prop::collection::vec(prop::sample::select(b"{}[]:,\"\\ae1-.tnul ".to_vec()), 0..40),
    ) {
        match Filter::new(&text) {
            Ok(filter) => _ = (filter.matches(&json), filter.matches(ATTRIBUTES)),
            Err(near) => prop_assert!(near <= text.len()),
        }
        let _ = Filter::new(b".a in .e or .t").map(|filter| filter.matches(&json));
    }
}
