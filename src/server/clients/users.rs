//! Users and the clients that act as them: coming in, what a change of rules entails, refusals.

use std::collections::HashSet;
use std::rc::Rc;

use super::describe::{Running, line};
use super::{disconnect, tracked_keys};
use crate::client::acl::log::{Context, Entry, Reason};
use crate::client::acl::rules::{RuleError, Rulebook, check_role_name, join_selectors};
use crate::client::acl::selector::channel_matches;
use crate::client::acl::unique::Unique;
use crate::client::acl::{Call, CallDatabases, DEFAULT_NAME, Denial, Role, User, UserId, describe, file, has_spaces};
use crate::client::pubsub::Kind;
use crate::client::{Client, Modes};
use crate::command::args::shown;
use crate::command::{Args, CmdResult, CommandId, Error};
use crate::config::{AclLines, AclPubsubDefault, LoadError, Statement, TlsClientUser};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::execution::Ctx;
use crate::util::redact;

const KEY_DENIED: &[u8] = b"No permissions to access a key";

impl Ctx<'_> {
    /// Whether the client's user may run a call.
    ///
    /// # Errors
    /// Says what is not allowed.
    #[inline]
    pub fn check_rights(&self, id: CommandId, args: &Args<'_>) -> Result<(), Denial> {
        let client = self.client();
        if !client.modes.has(Modes::RESTRICTED) {
            return Ok(());
        }
        self.server.acl.user(client.user).check(&mut self.call(id, args))
    }

    /// Whether the client's user may run a call, and read any key besides: keys that follow from values.
    pub fn may_read_all_keys(&self, args: &Args<'_>) -> bool {
        let client = self.client();
        let user = self.server.acl.user(client.user);
        !client.modes.has(Modes::RESTRICTED) || user.may_read_all(&mut self.call(self.command, args))
    }

    fn call<'a>(&'a self, id: CommandId, args: &Args<'a>) -> Call<'a> {
        Call::new(&self.server.commands, id, *args, call_databases(self.server, self.client))
    }

    /// What the client is told of a refused call.
    pub fn denial_text(&self, id: CommandId, denial: Denial) -> Vec<u8> {
        let user = shown(&self.server.acl.user(self.client().user).name);
        let name = self.server.commands.entry(id).full_name.as_bytes();
        match denial {
            Denial::Command => [b"User ", user, b" has no permissions to run the '", name, b"' command"].concat(),
            Denial::Database(_) => b"No permissions to access database".to_vec(),
            Denial::Key(_) => KEY_DENIED.to_vec(),
            Denial::Channel(_) => b"No permissions to access a channel".to_vec(),
        }
    }

    /// The error of a refused call.
    pub fn denial_error(&self, id: CommandId, denial: Denial) -> Error {
        Error::text([b"NOPERM ", &*self.denial_text(id, denial)].concat())
    }

    /// Enters a refused call into ACL LOG.
    pub fn log_denial(&mut self, id: CommandId, args: &Args<'_>, denial: Denial, context: Context) {
        let (reason, object) = match denial {
            Denial::Database(Some(index)) => (Reason::Database, args.get(index).to_vec()),
            Denial::Database(None) => (Reason::Database, self.server.commands.entry(id).full_name.as_bytes().to_vec()),
            Denial::Command => (Reason::Command, self.server.commands.entry(id).full_name.as_bytes().to_vec()),
            Denial::Key(index) => (Reason::Key, args.get(index).to_vec()),
            Denial::Channel(index) => (Reason::Channel, args.get(index).to_vec()),
        };
        let user = self.server.acl.user(self.client().user).name.to_vec();
        self.log_refusal(args, Refusal { reason, object, user, context });
    }

    /// Refuses a prefix whose changes the client wants to be told of if its user may read no key with it.
    ///
    /// # Errors
    /// As for a call that names such a key.
    pub fn check_tracked_prefix(&mut self, args: &Args<'_>, prefix: &[u8]) -> CmdResult {
        let client = self.client();
        let user = self.server.acl.user(client.user);
        if !client.modes.has(Modes::RESTRICTED) || user.may_read_with(prefix) {
            return Ok(());
        }
        let (object, user) = (prefix.to_vec(), user.name.to_vec());
        let context = if self.server.in_exec { Context::Multi } else { Context::TopLevel };
        self.log_refusal(args, Refusal { reason: Reason::Key, object, user, context });
        Err(Error::text([b"NOPERM ", KEY_DENIED].concat()))
    }

    /// Has the client act as a user, if the password is right; otherwise enters that into ACL LOG.
    pub fn log_in(&mut self, args: &Args<'_>, name: &[u8], password: &[u8]) -> bool {
        if let Some(user) = self.server.acl.authenticate(name, password) {
            assign(self.server, self.client, user);
            self.client_mut().modes.set(Modes::UNAUTHENTICATED, false);
            return true;
        }
        let multi = self.client().modes.has(Modes::MULTI) || self.server.in_exec;
        let context = if multi { Context::Multi } else { Context::TopLevel };
        let (object, user) = (args.get(0).to_vec(), name.to_vec());
        self.log_refusal(args, Refusal { reason: Reason::Auth, object, user, context });
        false
    }

    fn log_refusal(&mut self, args: &Args<'_>, refusal: Refusal) {
        let client = line(self.server, self.client(), Some(Running::of(args, self.reply)));
        enter(self.server, refusal, client);
    }
}

/// Counts a refusal and enters it into ACL LOG; `client` is the line of whom it met.
fn enter(server: &mut Server, refusal: Refusal, client: Vec<u8>) {
    let Refusal { reason, context, object, user } = refusal;
    let at_ms = server.clock.unix_ms();
    server.stats.denials[reason as usize] += 1;
    let entry = Entry { count: 1, reason, context, object, user, id: 0, created_ms: at_ms, at_ms, client };
    server.acl.log.add(entry, server.config.acllog_max_len);
}

/// Enters a request over HTTP into ACL LOG that gave a name and no right password for it.
pub fn log_refused_request(server: &mut Server, user: Vec<u8>, path: &str, peer: &str) {
    let (reason, context) = (Reason::Auth, Context::TopLevel);
    let client = format!("addr={peer} lib-name=http").into_bytes();
    enter(server, Refusal { reason, context, object: path.as_bytes().to_vec(), user }, client);
}

/// Has a client act as the user whom the certificate names that it has shown, if `tls-auth-clients-user` says how. The
/// first name of a user that is on counts. Without one the client stays who it is, and its foremost name is entered into
/// ACL LOG.
pub fn log_in_by_certificate(server: &mut Server, key: ClientKey) {
    let field = server.config.tls_auth_clients_user;
    if field == TlsClientUser::Off {
        return;
    }
    let mut names = server.clients.at(key).connection.socket().names_of_peer(field).into_iter();
    let is_on = |id: &UserId| server.acl.user(*id).enabled;
    let user = names.clone().find_map(|name| server.acl.find(name.as_bytes()).filter(is_on));
    if let Some(user) = user {
        assign(server, key, user);
        server.clients.at_mut(key).modes.set(Modes::UNAUTHENTICATED, false);
        let name = String::from_utf8_lossy(&server.acl.user(user).name);
        let name = redact::data(name, server.config.hide_user_data_from_log);
        log::debug!("TLS: Auto-authenticated client as {name}");
    } else if let Some(name) = names.next() {
        let (reason, context) = (Reason::Certificate, Context::TopLevel);
        let client = line(server, server.clients.at(key), None);
        enter(server, Refusal { reason, context, object: Vec::new(), user: name.into_bytes() }, client);
    }
}

/// The databases for a call of a client.
pub fn call_databases(server: &Server, client: ClientKey) -> CallDatabases {
    CallDatabases { selected: server.clients.at(client).db, count: server.config.databases as usize }
}

struct Refusal {
    reason: Reason,
    context: Context,
    object: Vec<u8>,
    user: Vec<u8>,
}

fn rulebook(server: &Server) -> Rulebook<'_> {
    let all_channels = server.config.acl_pubsub_default == AclPubsubDefault::AllChannels;
    Rulebook { table: &server.commands, roles: server.acl.roles(), all_channels }
}

/// Has a client act as a user.
fn assign(server: &mut Server, key: ClientKey, user: UserId) {
    let mode = server.acl.mode_of(user);
    if let Some(client) = server.clients.get_mut(key) {
        client.user = user;
        client.modes.set(Modes::RESTRICTED, false);
        client.modes.set(mode, true);
    }
}

fn clients_of(server: &Server, user: UserId) -> Vec<ClientKey> {
    server.clients.iter().filter(|(_, client)| client.user == user).map(|(key, _)| key).collect()
}

/// Changes a user by rules, all or none, or makes a new one.
///
/// # Errors
/// Says what is wrong.
pub fn change_user<W: AsRef<[u8]>>(server: &mut Server, name: &[u8], rules: &[W]) -> Result<(), Vec<u8>> {
    let rules = join_selectors(rules)
        .map_err(|word| [b"Unmatched parenthesis in acl selector starting at '", &word[..], b"'."].concat())?;
    let rulebook = rulebook(server);
    let id = server.acl.find(name);
    let mut user = match id {
        Some(id) => server.acl.user(id).clone(),
        None => User::new(name, rulebook.all_channels),
    };
    for rule in &rules {
        rulebook.apply(&mut user, rule).map_err(|error| {
            [b"Error in ACL SETUSER modifier '", &rule[..], b"': ", error.text().as_bytes()].concat()
        })?;
    }
    match id {
        Some(id) => replace_user(server, id, user),
        None => {
            server.acl.insert(user);
        }
    }
    Ok(())
}

/// Changes a role by rules, all or none, or makes a new one. Those who have it are changed with it.
///
/// # Errors
/// Says what is wrong.
pub fn change_role<W: AsRef<[u8]>>(server: &mut Server, name: &[u8], rules: &[W]) -> Result<(), Vec<u8>> {
    let rules = join_selectors(rules)
        .map_err(|word| [b"Unmatched parenthesis in acl selector starting at '", &word[..], b"'."].concat())?;
    let rulebook = rulebook(server);
    let mut role = match server.acl.roles().get(name) {
        Some(role) => Role::clone(role),
        None => {
            check_role_name(&server.commands, name)?;
            Role::new(name, rulebook.all_channels)
        }
    };
    for rule in &rules {
        rulebook.apply_to_role(&mut role, rule).map_err(|error| {
            [b"Error in ACL SETROLE modifier '", &rule[..], b"': ", error.text().as_bytes()].concat()
        })?;
    }
    let role = Rc::new(role);
    server.acl.insert_role(Rc::clone(&role));
    for id in server.acl.users_with_role(name).collect::<Vec<UserId>>() {
        let mut user = server.acl.user(id).clone();
        for old in user.roles.iter_mut().filter(|old| old.name == role.name) {
            *old = Rc::clone(&role);
        }
        replace_user(server, id, user);
    }
    Ok(())
}

/// Gives a user other rights. Clients of it that listen to what it may not hear any more are closed.
fn replace_user(server: &mut Server, id: UserId, user: User) {
    let old = server.acl.replace(id, user);
    let reads_less = server.acl.user(id).reads_less_than(&old);
    for key in clients_of(server, id) {
        assign(server, key, id);
        if reads_less {
            tracked_keys::rights_lost(server, key);
        }
    }
    let new = server.acl.user(id);
    if new.all_selectors().any(|selector| selector.all_channels) {
        return;
    }
    let allowed: Unique<Box<[u8]>> =
        new.all_selectors().flat_map(|selector| selector.channels.iter().cloned()).collect();
    let lost = |selector: &crate::client::acl::Selector| {
        selector.all_channels || selector.channels.iter().any(|channel| allowed.find(channel).is_none())
    };
    if !old.all_selectors().any(lost) {
        return;
    }
    for key in clients_of(server, id) {
        let client = server.clients.at_mut(key);
        if listens_beyond(client, &allowed) {
            disconnect::close_client(server, key);
        }
    }
}

fn listens_beyond(client: &mut Client, allowed: &Unique<Box<[u8]>>) -> bool {
    let Some(subscriptions) = client.subscriptions.as_deref_mut() else { return false };
    [Kind::Pattern, Kind::Channel, Kind::Shard].into_iter().any(|kind| {
        let names = kind.names(subscriptions).in_order();
        names.iter().any(|name| !channel_matches(allowed, name, kind != Kind::Pattern))
    })
}

/// Deletes users and closes their clients; how many there were. The default user stays.
pub fn delete_users<'n>(server: &mut Server, names: impl Iterator<Item = &'n [u8]>) -> usize {
    let deleted: HashSet<UserId> = names.filter_map(|name| server.acl.remove(name)).collect();
    let theirs = server.clients.iter().filter(|(_, client)| deleted.contains(&client.user));
    for key in theirs.map(|(key, _)| key).collect::<Vec<ClientKey>>() {
        // Should anything still run for it, it runs without rights.
        assign(server, key, UserId::DEFAULT);
        server.clients.at_mut(key).modes.set(Modes::UNAUTHENTICATED, true);
        disconnect::close_client(server, key);
    }
    deleted.len()
}

/// Puts the users and roles of the ACL file in the place of all there are. Closed are the clients of those that are gone, and
/// subscribers who may not listen any more.
///
/// # Errors
/// Tells what is wrong with the file; nothing has changed then.
pub fn load_file(server: &mut Server) -> Result<(), Vec<u8>> {
    let file::Content { roles, users } = file::load(&rulebook(server), &server.config.aclfile)?;
    server.acl.replace_roles(roles);
    let stay: HashSet<&[u8]> = users.iter().map(|user| &*user.name).collect();
    let gone = server.acl.users().map(|user| user.name.clone()).filter(|name| !stay.contains(&**name));
    let gone: Vec<Box<[u8]>> = gone.collect();
    delete_users(server, gone.iter().map(|name| &**name));
    if !stay.contains(DEFAULT_NAME) {
        replace_user(server, UserId::DEFAULT, server.acl.fresh_default_user());
    }
    for user in users {
        match server.acl.find(&user.name) {
            Some(id) => replace_user(server, id, user),
            None => _ = server.acl.insert(user),
        }
    }
    Ok(())
}

/// The lines of users and roles for the configuration file. Those of included files, or of the command line, are there already: a
/// second line would keep the server from starting.
///
/// # Errors
/// Such a user or role has changed, which no line can tell.
pub fn config_lines(server: &Server) -> Result<AclLines, String> {
    let acl = &server.acl;
    let user_line = |name: &[u8]| acl.find(name).map(|id| describe::line(acl.user(id)));
    let role_line = |name: &[u8]| acl.roles().get(name).map(|role| describe::role_line(role));
    unchanged("user", &acl.outside, user_line)?;
    unchanged("role", &acl.outside_roles, role_line)?;
    let is_outside = |outside: &[(Box<[u8]>, Vec<u8>)], name: &[u8]| outside.iter().any(|(known, _)| **known == *name);
    let without = |word: &[u8], line: Vec<u8>| line.strip_prefix(word).unwrap_or(&line).to_vec();
    let users = acl.users().filter(|user| !is_outside(&acl.outside, &user.name));
    let roles = acl.roles().values().filter(|role| !is_outside(&acl.outside_roles, &role.name));
    Ok(AclLines {
        roles: roles.map(|role| without(b"role ", describe::role_line(role))).collect(),
        users: users.map(|user| without(b"user ", describe::line(user))).collect(),
    })
}

/// Whether all that the configuration has outside of its own file is as it was.
fn unchanged(
    kind: &str,
    outside: &[(Box<[u8]>, Vec<u8>)],
    line_now: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<(), String> {
    let Some((name, _)) = outside.iter().find(|(name, line)| line_now(name).as_ref() != Some(line)) else {
        return Ok(());
    };
    let name = String::from_utf8_lossy(name);
    Err(format!("{kind} '{name}' has changed, but is defined in an included file or on the command line"))
}

/// Takes over the users of the configuration, or those of the ACL file, when the server starts.
///
/// # Errors
/// Says why the server can't start with them.
pub fn at_start(server: &mut Server) -> Result<(), LoadError> {
    let (roles, users) = (std::mem::take(&mut server.config.roles), std::mem::take(&mut server.config.users));
    let result = configured_roles(server, &roles).and_then(|()| configured_users(server, &users));
    (server.config.roles, server.config.users) = (roles, users);
    result?;
    if server.config.aclfile.is_empty() {
        return Ok(());
    }
    if !server.config.users.is_empty() || !server.config.roles.is_empty() {
        const BOTH: &str = "Configuring Redis with users defined in redis.conf and at the same setting an ACL file \
                            path is invalid. This setup is very likely to lead to configuration errors and security \
                            holes, please define either an ACL file or declare users directly in your redis.conf, but \
                            not both.";
        return Err(LoadError::Unusable(BOTH.to_owned()));
    }
    load_file(server).map_err(|errors| {
        let errors = String::from_utf8_lossy(&errors);
        LoadError::Unusable(format!("Aborting Redis startup because of ACL errors: {errors}"))
    })
}

fn configured_roles(server: &mut Server, statements: &[Statement]) -> Result<(), LoadError> {
    for statement in statements {
        let Some((name, rules)) = statement.words.split_first() else { continue };
        let wrong = |word: &[u8], reason: &[u8]| {
            let (word, reason) = (String::from_utf8_lossy(word), String::from_utf8_lossy(reason));
            statement.error(format!("Error in role declaration '{word}': {reason}"))
        };
        if server.acl.roles().contains_key(name.as_slice()) {
            return Err(wrong(name, b"Duplicate role found. A role can only be defined once in config files"));
        }
        check_role_name(&server.commands, name).map_err(|reason| wrong(name, &reason))?;
        let rules = join_selectors(rules).map_err(|word| wrong(&word, RuleError::Syntax.text().as_bytes()))?;
        let rulebook = rulebook(server);
        let mut role = Role::new(name, rulebook.all_channels);
        for rule in &rules {
            rulebook.apply_to_role(&mut role, rule).map_err(|error| wrong(rule, error.text().as_bytes()))?;
        }
        if statement.is_outside {
            let line = describe::role_line(&role);
            server.acl.outside_roles.push((role.name.clone(), line));
        }
        server.acl.insert_role(Rc::new(role));
    }
    Ok(())
}

fn configured_users(server: &mut Server, statements: &[Statement]) -> Result<(), LoadError> {
    let mut named: HashSet<&[u8]> = HashSet::new();
    for statement in statements {
        let Some((name, rules)) = statement.words.split_first() else { continue };
        let shown = String::from_utf8_lossy(name);
        let wrong = |word: &[u8], reason: &str| {
            let word = String::from_utf8_lossy(word);
            statement.error(format!("Error in user declaration '{word}': {reason}"))
        };
        if !named.insert(name) {
            return Err(wrong(name, "Duplicate user found. A user can only be defined once in config files"));
        }
        if has_spaces(name) {
            const SPACES: &str = "Spaces not allowed in ACL usernames. Critical error while loading ACLs. Exiting.";
            return Err(LoadError::Unusable(SPACES.to_owned()));
        }
        let rules = join_selectors(rules).map_err(|word| wrong(&word, RuleError::Syntax.text()))?;
        let rulebook = rulebook(server);
        let mut user = User::new(name, rulebook.all_channels);
        for rule in &rules {
            rulebook.apply(&mut user, rule).map_err(|error| match error {
                RuleError::UnknownCommand => LoadError::Unusable(format!(
                    "Error loading ACL rule '{}' for the user named '{shown}': {}. Critical error while loading ACLs. \
                     Exiting.",
                    String::from_utf8_lossy(rule),
                    error.text()
                )),
                error => wrong(rule, error.text()),
            })?;
        }
        if !user.enabled {
            log::info!(
                "The user '{shown}' is disabled (there is no 'on' modifier in the user description). Make sure this is \
                 not a configuration error."
            );
        }
        if statement.is_outside {
            let line = describe::line(&user);
            server.acl.outside.push((user.name.clone(), line));
        }
        match server.acl.find(name) {
            Some(id) => replace_user(server, id, user),
            None => {
                server.acl.insert(user);
            }
        }
    }
    Ok(())
}
