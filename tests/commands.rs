//! The table of commands as clients see it: COMMAND, unknown names, wrong arity, rename-command.

mod common;

use common::{Reply, Server};

#[test]
fn unknown_commands_are_quoted_back() {
    let server = Server::start();
    let mut client = server.connect();
    let unknown = "ERR unknown command 'nope', with args beginning with: ";
    assert_eq!(client.cmd(&["nope"]), Reply::error(unknown));
    assert_eq!(client.cmd(&["nope", "a", "b c"]), Reply::error(&format!("{unknown}'a' 'b c' ")));
    let long = "x".repeat(200);
    let name = &long[..128];
    assert_eq!(
        client.cmd(&[&long]),
        Reply::error(&format!("ERR unknown command '{name}', with args beginning with: "))
    );
    assert_eq!(client.cmd(&["nope", &long, "b"]), Reply::error(&format!("{unknown}'{name}' ")));
    assert_eq!(
        client.cmd(&["nope", &long[..120], "abcdef"]),
        Reply::error(&format!("{unknown}'{}' 'abcde' ", &long[..120]))
    );
    assert_eq!(client.cmd(&["nope", "a\r\nb\0c"]), Reply::error(&format!("{unknown}'a  b' ")));
    assert_eq!(client.cmd(&[""]), Reply::error("ERR unknown command '', with args beginning with: "));
}

#[test]
fn unknown_subcommands_are_refused_like_unknown_commands() {
    let server = Server::start();
    let mut client = server.connect();
    let unknown = Reply::error("ERR unknown subcommand 'nope'. Try COMMAND HELP.");
    assert_eq!(client.cmd(&["command", "nope"]), unknown);
    assert_eq!(client.cmd(&["MULTI"]), Reply::ok());
    assert_eq!(client.cmd(&["COMMAND", "nope", "more"]), unknown);
    assert_eq!(client.cmd(&["EXEC"]), Reply::error("EXECABORT Transaction discarded because of previous errors."));
}

#[test]
fn wrong_arity_names_the_command() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["GET"]), Reply::error("ERR wrong number of arguments for 'get' command"));
    assert_eq!(client.cmd(&["Get", "a", "b"]), Reply::error("ERR wrong number of arguments for 'get' command"));
    assert_eq!(
        client.cmd(&["COMMAND", "COUNT", "x"]),
        Reply::error("ERR wrong number of arguments for 'command|count' command")
    );
}

#[test]
fn renamed_commands_are_known_by_their_new_names() {
    let server = Server::start_with(&["--rename-command", "GET", "fetch", "--rename-command", "echo", ""]);
    let mut client = server.connect();
    assert_eq!(client.cmd(&["SET", "key", "value"]), Reply::ok());
    assert_eq!(
        client.cmd(&["GET", "key"]),
        Reply::error("ERR unknown command 'GET', with args beginning with: 'key' ")
    );
    assert_eq!(client.cmd(&["FETCH", "key"]), Reply::bulk("value"));
    assert_eq!(client.cmd(&["fetch"]), Reply::error("ERR wrong number of arguments for 'get' command"));
    assert_eq!(client.cmd(&["ECHO", "a"]), Reply::error("ERR unknown command 'ECHO', with args beginning with: 'a' "));
    assert_eq!(client.cmd(&["COMMAND", "INFO", "get", "echo"]), Reply::Array(vec![Reply::Null, Reply::Null]));
    let found = client.cmd(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "echo"]);
    assert_eq!(found, Reply::Array(Vec::new()));
}

#[test]
fn command_count_is_the_number_of_rows_command_returns() {
    let server = Server::start();
    let mut client = server.connect();
    let Reply::Array(rows) = client.cmd(&["COMMAND"]) else { panic!("COMMAND answers an array") };
    assert_eq!(client.cmd(&["COMMAND", "COUNT"]), Reply::Integer(rows.len() as i64));
    assert_eq!(client.cmd(&["COMMAND", "INFO"]), Reply::Array(rows.clone()));
    let Reply::Array(docs) = client.cmd(&["COMMAND", "DOCS"]) else { panic!("COMMAND DOCS answers an array") };
    assert_eq!(docs.len(), 2 * rows.len());
    let Reply::Array(names) = client.cmd(&["COMMAND", "LIST"]) else { panic!("COMMAND LIST answers an array") };
    assert!(names.len() > rows.len());
    assert!(names.contains(&Reply::bulk("command|getkeys")));
}

#[test]
fn command_info_answers_for_names_in_any_case_and_null_for_others() {
    let server = Server::start();
    let mut client = server.connect();
    let names = ["COMMAND", "INFO", "GET", "nope", "command|COUNT", "command|nope", "get|key", "config|get|key"];
    let Reply::Array(rows) = client.cmd(&names) else { panic!("COMMAND INFO answers an array") };
    let name = |row: &Reply| match row {
        Reply::Array(fields) => fields[0].text(),
        other => format!("{other:?}"),
    };
    assert_eq!(rows.iter().map(name).collect::<Vec<_>>(), ["get", "Null", "command|count", "Null", "Null", "Null"]);
}

#[test]
fn command_list_filters() {
    let server = Server::start();
    let mut client = server.connect();
    let mut list = |words: &[&str]| client.cmd(&[&["COMMAND", "LIST"], words].concat());
    assert_eq!(list(&["filterby", "pattern", "GET"]), Reply::bulks(&["get"]));
    assert_eq!(
        list(&["FILTERBY", "pattern", "command|getkeys*"]),
        Reply::bulks(&["command|getkeys", "command|getkeysandflags"])
    );
    assert_eq!(list(&["FILTERBY", "MODULE", "x"]), Reply::Array(Vec::new()));
    assert_eq!(list(&["FILTERBY", "ACLCAT", "x"]), Reply::Array(Vec::new()));
    let Reply::Array(transactions) = list(&["FILTERBY", "ACLCAT", "Transaction"]) else { panic!("an array") };
    assert_eq!(transactions.len(), 5);
    for wrong in
        [&["x"][..], &["filterby"], &["filterby", "x"], &["filterby", "x", "y"], &["filterby", "module", "x", "y"]]
    {
        assert_eq!(list(wrong), Reply::error("ERR syntax error"), "{wrong:?}");
    }
}

#[test]
fn command_docs_describe_arguments_and_skip_unknown_names() {
    let server = Server::start();
    let mut client = server.connect();
    let Reply::Array(docs) = client.cmd(&["COMMAND", "DOCS", "nope", "get"]) else { panic!("an array") };
    assert_eq!((docs.len(), &docs[0]), (2, &Reply::bulk("get")));
    let Reply::Array(fields) = &docs[1] else { panic!("a flattened map") };
    let names: Vec<String> = fields.iter().step_by(2).map(Reply::text).collect();
    assert_eq!(names[..4], ["summary", "since", "group", "complexity"]);
    let arguments = names.iter().position(|name| name == "arguments").expect("a description of arguments");
    let key = Reply::Array(vec![
        Reply::bulk("name"),
        Reply::bulk("key"),
        Reply::bulk("type"),
        Reply::bulk("key"),
        Reply::bulk("display_text"),
        Reply::bulk("key"),
        Reply::bulk("key_spec_index"),
        Reply::Integer(0),
    ]);
    assert_eq!(fields[2 * arguments + 1], Reply::Array(vec![key]));
}

#[test]
fn command_docs_name_what_replaces_a_deprecated_command() {
    let server = Server::start();
    let mut client = server.connect();
    let Reply::Array(docs) = client.cmd(&["COMMAND", "DOCS", "rpoplpush"]) else { panic!("an array") };
    let Reply::Array(fields) = &docs[1] else { panic!("a flattened map") };
    let value = |name: &str| {
        let index = fields.iter().step_by(2).position(|field| *field == Reply::bulk(name));
        &fields[2 * index.expect(name) + 1]
    };
    assert_eq!(*value("doc_flags"), Reply::Array(vec![Reply::Simple("deprecated".into())]));
    assert_eq!(*value("deprecated_since"), Reply::bulk("6.2.0"));
    assert!(value("replaced_by").text().contains("`LMOVE`"));
}

#[test]
fn what_is_for_nodes_of_a_cluster_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let disabled = Reply::error("ERR This instance has cluster support disabled");
    let Reply::Array(list) = client.cmd(&["COMMAND", "INFO", "cluster"]) else { panic!("an array") };
    let Reply::Array(cluster) = &list[0] else { panic!("a row") };
    let Reply::Array(subcommands) = &cluster[9] else { panic!("rows") };
    assert_eq!(subcommands.len(), 31);
    for row in subcommands {
        let Reply::Array(fields) = row else { panic!("a row") };
        let (name, Reply::Integer(arity)) = (fields[0].text(), &fields[1]) else { panic!("{fields:?}") };
        let mut words: Vec<&str> = name.split('|').collect();
        words.resize(arity.unsigned_abs() as usize, "1");
        assert_eq!(client.cmd(&words), disabled, "{words:?}");
    }
    for name in ["ASKING", "READONLY", "READWRITE"] {
        assert_eq!(client.cmd(&[name]), disabled, "{name}");
    }
    let arity = "ERR wrong number of arguments for 'cluster|keyslot' command";
    assert_eq!(client.cmd(&["CLUSTER", "KEYSLOT"]), Reply::error(arity));
    assert_eq!(client.cmd(&["CLUSTER", "NOPE"]), Reply::error("ERR unknown subcommand 'NOPE'. Try CLUSTER HELP."));
    let script = client.cmd(&["EVAL", "return redis.call('CLUSTER', 'RESET')", "0"]).into_error();
    assert!(script.starts_with("ERR This Redis command is not allowed from script"), "{script}");
}

#[test]
fn getkeys_finds_the_keys_of_a_call() {
    let server = Server::start();
    let mut client = server.connect();
    let mut keys = |words: &[&str]| client.cmd(&[&["COMMAND", "GETKEYS"], words].concat());
    assert_eq!(keys(&["get", "a"]), Reply::bulks(&["a"]));
    assert_eq!(keys(&["WATCH", "a", "b", "c"]), Reply::bulks(&["a", "b", "c"]));
    assert_eq!(keys(&["ping", "a"]), Reply::error("ERR The command has no key arguments"));
    assert_eq!(keys(&["nope", "a"]), Reply::error("ERR Invalid command specified"));
    assert_eq!(keys(&["command", "nope"]), Reply::error("ERR Invalid command specified"));
    assert_eq!(keys(&["get", "a", "b"]), Reply::error("ERR Invalid number of arguments specified for command"));
    assert_eq!(keys(&["get"]), Reply::error("ERR Invalid number of arguments specified for command"));
    assert_eq!(keys(&[]), Reply::error("ERR wrong number of arguments for 'command|getkeys' command"));
    let mut migrated = |words: &[&str]| keys(&[&["migrate", "host", "1"], words].concat());
    assert_eq!(migrated(&["a", "0", "5"]), Reply::bulks(&["a"]));
    assert_eq!(migrated(&["", "0", "5", "COPY", "auth", "keys", "Keys", "a", "keys"]), Reply::bulks(&["a", "keys"]));
    assert_eq!(migrated(&["", "0", "5", "auth2", "keys", "keys", "KEYS", "a", "b"]), Reply::bulks(&["a", "b"]));
    let flags = client.cmd(&["COMMAND", "GETKEYSANDFLAGS", "get", "a"]);
    let access = Reply::Array(vec![Reply::Simple("RO".into()), Reply::Simple("access".into())]);
    assert_eq!(flags, Reply::Array(vec![Reply::Array(vec![Reply::bulk("a"), access])]));
}

#[test]
fn command_help_lists_every_subcommand() {
    let server = Server::start();
    let mut client = server.connect();
    let Reply::Array(lines) = client.cmd(&["COMMAND", "HELP"]) else { panic!("an array") };
    let lines: Vec<String> = lines.iter().map(Reply::text).collect();
    assert_eq!(lines[0], "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    assert_eq!(lines[lines.len() - 2..], ["HELP", "    Prints this help."]);
    let Reply::Array(names) = client.cmd(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "command|*"]) else {
        panic!("an array")
    };
    for name in names.iter().map(Reply::text) {
        let word = name.trim_start_matches("command|").to_uppercase();
        assert!(lines.iter().any(|line| line.split(' ').next() == Some(&word)), "{word} is not explained");
    }
}

#[test]
fn the_modules_that_are_built_in_are_listed_and_none_is_loaded() {
    let server = Server::start_with(&["--enable-module-command", "yes"]);
    let mut client = server.connect();
    let Reply::Array(modules) = client.cmd(&["MODULE", "LIST"]) else { panic!("no list") };
    let is_named = |module: &Reply| matches!(module, Reply::Array(fields) if fields[1] == Reply::bulk("bf"));
    assert!(modules.iter().any(is_named), "{modules:?}");
    let error = "ERR Error loading the extension. Please check the server logs.";
    assert_eq!(client.cmd(&["MODULE", "LOAD", "/m.so"]), Reply::error(error));
    server.await_log("Module /m.so failed to load");
    assert_eq!(
        client.cmd(&["MODULE", "UNLOAD", "m"]),
        Reply::error("ERR Error unloading module: no such module with that name")
    );
    let guarded = Server::start();
    let refused = guarded.connect().cmd(&["MODULE", "LOADEX", "/m.so"]).into_error();
    assert!(refused.starts_with("ERR MODULE command not allowed. If the enable-module-command option"), "{refused}");
}
