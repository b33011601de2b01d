//! Completions of the server's options for three shells.

use super::sheet::{Sheet, WITHOUT_EFFECT};
use crate::config::directive::Directive;

const NOTE: &str = "# Written by `OXIDIS_UPDATE_PACKAGE=1 cargo test packaged`.\n";

/// Directives that have an effect, each with a few words about it if there is a text about it alone.
pub fn directives(sheet: &Sheet) -> Vec<(String, String)> {
    let mut directives = Vec::new();
    for entry in sheet.entries().filter(|entry| !entry.text.starts_with(WITHOUT_EFFECT)) {
        let text = match &entry.names[..] {
            [_] => entry.text.split_once(". ").map_or(entry.text.as_str(), |(first, _)| first),
            _ => "",
        };
        let text = text.split([';', ':', '(']).next().unwrap_or_default().trim().trim_end_matches('.');
        let known = entry.names.iter().filter(|name| Directive::find(name.as_bytes()).is_some());
        directives.extend(known.map(|name| (format!("--{name}"), text.to_owned())));
    }
    directives
}

/// For bash: names of files where no option is begun.
pub fn bash(own: &[(String, String)], directives: &[(String, String)]) -> String {
    let names: Vec<&str> = own.iter().chain(directives).map(|(name, _)| name.as_str()).collect();
    format!(
        "{NOTE}_oxidis() {{\n    local current=${{COMP_WORDS[COMP_CWORD]}}\n    COMPREPLY=()\n    \
         [[ $current == -* ]] || return 0\n    \
         mapfile -t COMPREPLY < <(compgen -W '\n{}\n    ' -- \"$current\")\n}}\n\
         complete -o default -F _oxidis oxidis\n",
        names.iter().map(|name| format!("        {name}")).collect::<Vec<_>>().join("\n")
    )
}

/// For zsh.
pub fn zsh(own: &[(String, String)], directives: &[(String, String)]) -> String {
    let row = |(name, text): &(String, String)| match text.is_empty() {
        true => format!("    '{name}'\n"),
        false => format!("    '{name}:{}'\n", text.replace('\'', "'\\''")),
    };
    let rows = |options: &[(String, String)]| options.iter().map(row).collect::<String>();
    format!(
        "#compdef oxidis\n{NOTE}local -a first directives\nfirst=(\n{})\ndirectives=(\n{})\n\
         if [[ $PREFIX != -* ]]; then\n    _files\nelse\n    (( CURRENT == 2 )) && _describe -o option first\n    \
         _describe -o directive directives\nfi\n",
        rows(own),
        rows(directives)
    )
}

/// For fish.
pub fn fish(own: &[(String, String)], directives: &[(String, String)]) -> String {
    let mut text = NOTE.to_owned();
    let mut add = |options: &[(String, String)], condition: &str| {
        for (name, about) in options {
            text.push_str(&format!("complete -c oxidis{condition} -l {}", name.trim_start_matches('-')));
            if !about.is_empty() {
                text.push_str(&format!(" -d '{}'", about.replace('\\', "\\\\").replace('\'', "\\'")));
            }
            text.push('\n');
        }
    };
    add(own, " -n '__fish_is_first_token'");
    add(directives, "");
    text
}
