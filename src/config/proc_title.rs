//! `proc-title-template`: a text with `{variable}`s, shown as the title of the process.

/// The variables a `proc-title-template` may name.
pub const PROC_TITLE_VARIABLES: [&str; 7] =
    ["title", "listen-addr", "server-mode", "config-file", "port", "tls-port", "unixsocket"];

/// Fills `{variable}`s in; `{{` is a brace. `None` when a variable is unknown or not closed.
pub fn expand_proc_title(template: &str, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut title = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        title.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            title.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        title.push_str(&variable(name)?);
        rest = after;
    }
    title.push_str(rest);
    Some(title.trim_matches(' ').to_owned())
}

/// Refuses templates that can't be filled in, or whose result may be empty.
pub(super) fn valid_proc_title(template: &str) -> Result<(), &'static str> {
    let variable = |name: &str| match name {
        "title" | "server-mode" | "unixsocket" => Some(String::new()),
        known if PROC_TITLE_VARIABLES.contains(&known) => Some(known.to_owned()),
        _ => None,
    };
    match expand_proc_title(template, variable) {
        Some(title) if !title.is_empty() => Ok(()),
        _ => Err("template format is invalid or contains unknown variables"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_templates_name_known_variables_and_are_never_empty() {
        let title = |name: &str| (name == "title").then(|| "oxidis".to_owned());
        assert_eq!(expand_proc_title(" {title} {{x}", title).as_deref(), Some("oxidis {x}"));
        assert_eq!(expand_proc_title("{port}", title), None);
        assert_eq!(valid_proc_title("{title} {listen-addr} {server-mode}"), Ok(()));
        assert_eq!(valid_proc_title("--my--title--template"), Ok(()));
        for template in ["", "{title}", "{", "a{x}", "{port", "{server-mode}"] {
            assert!(valid_proc_title(template).is_err(), "{template}");
        }
    }
}
