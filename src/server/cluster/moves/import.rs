//! Slots on their way here: asked for at their node, filled from its stream, taken when it says so.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::state::{ImportWork, Source, Stream, keys_in};
use super::strays;
use crate::client::internal::Internal;
use crate::command::{Args, Error};
use crate::config::ReplicaOf;
use crate::db::Databases;
use crate::net::socket::Socket;
use crate::net::tls::Session;
use crate::net::tokens::SLOTS_TOKEN;
use crate::peers::cluster::SlotSet;
use crate::peers::cluster::moves::import::{Import, Step};
use crate::peers::cluster::moves::{Operation, Task, TaskState};
use crate::peers::repl::replica::Replica;
use crate::peers::repl::wire::{TURN_BYTES, Wire};
use crate::persist::aof::reader::{Found, Reader};
use crate::resp::reply::Reply;
use crate::resp::request::{ArgView, OwnedRequest};
use crate::server::Server;
use crate::server::cluster::{bus, endpoint, event};
use crate::server::event_loop::before_replies::before_replies;
use crate::server::execution::{Ctx, process};
use crate::server::replication::{connect, roster};
use crate::util::{number, platform};

/// How long the stream is worked off in one turn, in microseconds.
const SLICE_US: u64 = 5000;

/// How a task, or a try, ends.
#[derive(Debug)]
enum End {
    Completed,
    Again(String),
    Canceled(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        End::Again(match error.kind() {
            io::ErrorKind::UnexpectedEof => "The source has closed the connection".to_owned(),
            _ => format!("The connection to the source is broken: {}", platform::os_error_text(&error)),
        })
    }
}

/// CLUSTER MIGRATION IMPORT: begins to import slots; the id of the task.
///
/// # Errors
/// Why that cannot be.
pub fn begin(server: &mut Server, db: &mut Databases, slots: SlotSet) -> Result<String, Error> {
    let error = |text: &str| Error::text(format!("ERR {text}"));
    let Some(cluster) = server.cluster.as_deref() else { return Err(error("no cluster")) };
    if let Some(work) = server.moves.import.as_ref().filter(|work| work.rules.task.state != TaskState::Failed)
        && let Some((first, last)) = slots
            .ranges()
            .into_iter()
            .find(|(first, last)| (*first..=*last).any(|slot| work.rules.task.slots.has(slot)))
    {
        return Err(error(&format!("overlapping import exists for slot range: {first}-{last}")));
    }
    let source = cluster.source_of(&slots).map_err(|why| error(&why))?;
    let Some(source) = cluster.node(source).map(|node| node.id) else { return Err(error("unknown node")) };
    let dest = cluster.myself().id;
    match server.moves.import.take_if(|work| work.rules.task.state == TaskState::Failed) {
        Some(failed) => cancel(server, db, failed, "Cancelled due to new import requested"),
        None if server.moves.import.is_some() => return Err(error("another ASM task is already in progress")),
        None => {}
    }
    let id = crate::peers::repl::new_id(&mut server.random);
    let task = Task::new(id.clone(), slots, (source, dest), Operation::Import, server.clock.unix_ms());
    log::info!("Import task {id} created: src={source}, dest={dest}, slots={}", task.slots_text());
    server.moves.import = Some(Box::new(ImportWork {
        rules: Import::new(task),
        wire: Wire::default(),
        stream: None,
        wanted: 0,
        overtaken: false,
    }));
    Ok(id)
}

/// Goes on with the task as far as that is due by time, or by what others have done.
pub fn step(server: &mut Server, db: &mut Databases) {
    let Some(mut work) = server.moves.import.take() else { return };
    let result = look(server, db, &mut work);
    keep_or_end(server, db, work, result);
}

/// The socket is ready for something, or has more than was worked off in the last turn.
pub fn ready(server: &mut Server, db: &mut Databases) {
    let Some(mut work) = server.moves.import.take() else { return };
    let result = advance(server, db, &mut work);
    keep_or_end(server, db, work, result);
}

fn keep_or_end(server: &mut Server, db: &mut Databases, mut work: Box<ImportWork>, result: Result<(), End>) {
    match result {
        Ok(()) => server.moves.import = Some(work),
        Err(End::Completed) => {
            let task = &mut work.rules.task;
            task.state = TaskState::Completed;
            task.keys_done = keys_in(db, &task.slots);
            let (id, slots, keys) = (&task.id, task.slots_text(), task.keys_done);
            log::info!("Import task {id} completed for slots: {slots} (imported {keys} keys)");
            end(server, db, work);
        }
        Err(End::Canceled(why)) => cancel(server, db, work, &why),
        Err(End::Again(why)) => {
            work.hang_up(server.listeners.registry());
            let now_ms = server.clock.unix_ms();
            work.rules.failed(&why, now_ms);
            let task = &work.rules.task;
            log::warn!("Import task {} failed: slots={}, err={}", task.id, task.slots_text(), task.last_error);
            server.moves.import = Some(work);
        }
    }
}

/// Ends a task that is not wanted any more, or that cannot succeed.
pub fn cancel(server: &mut Server, db: &mut Databases, mut work: Box<ImportWork>, why: &str) {
    work.rules.task.fail(why);
    let task = &mut work.rules.task;
    task.state = TaskState::Canceled;
    log::warn!("Import task {} canceled: slots={}, err={}", task.id, task.slots_text(), task.last_error);
    end(server, db, work);
}

fn end(server: &mut Server, db: &mut Databases, mut work: Box<ImportWork>) {
    work.hang_up(server.listeners.registry());
    let mut task = work.rules.task;
    task.ended_ms = Some(server.clock.unix_ms());
    server.moves.archive(task, server.config.slots_archived_tasks_max);
    strays::sync(server, db);
}

fn look(server: &mut Server, db: &mut Databases, work: &mut ImportWork) -> Result<(), End> {
    let Some(cluster) = server.cluster.as_deref() else { return Ok(()) };
    if cluster.myself().is_replica() {
        return Err(End::Canceled("Cancelled due to this node being a replica".to_owned()));
    }
    if server.moves.flushed && !work.rules.rests() {
        return Err(End::Again("All keys were deleted".to_owned()));
    }
    overtaken(work)?;
    let now_ms = server.clock.unix_ms();
    let silence_ms_max = i64::from(server.config.repl_timeout) * 1000;
    match work.rules.settle(silence_ms_max, now_ms) {
        Some(Step::Begin) => try_begin(server, db, work),
        Some(Step::Ack(offset)) => Ok(ack(work, offset)?),
        Some(Step::GiveUp(why)) => Err(End::Again(why.to_owned())),
        None => Ok(become_ready(server, work, now_ms)?),
    }
}

/// Tells the source that all is here, once replicas have it too.
fn become_ready(server: &Server, work: &mut ImportWork, now_ms: i64) -> io::Result<()> {
    let lags = |replica: &Replica| replica.is_online() && !replica.is_old && replica.acked < work.wanted;
    let confirmed = !roster::followers(server).any(|(_, replica)| lags(replica));
    if !work.rules.becomes_ready(confirmed, now_ms) {
        return Ok(());
    }
    let task = &work.rules.task;
    log::info!("Import task {} is ready to takeover slots: {}", task.id, task.slots_text());
    let (offset, epoch) = (work.rules.offset(), server.cluster.as_ref().map_or(0, |cluster| cluster.current_epoch()));
    work.say(&["CLUSTER", "SYNCSLOTS", "READY", &offset.to_string(), &epoch.to_string()])
}

/// Fails where an operator has decided otherwise about the slots.
fn overtaken(work: &mut ImportWork) -> Result<(), End> {
    match std::mem::take(&mut work.overtaken) {
        true => Err(End::Again("A slot was given to a node meanwhile".to_owned())),
        false => Ok(()),
    }
}

fn ack(work: &mut ImportWork, offset: u64) -> io::Result<()> {
    work.say(&["CLUSTER", "SYNCSLOTS", "ACK", &offset.to_string()])
}

/// Begins, once nothing is here of the slots.
fn try_begin(server: &mut Server, db: &mut Databases, work: &mut ImportWork) -> Result<(), End> {
    let Some(cluster) = &mut server.cluster else { return Ok(()) };
    let slots = &work.rules.task.slots;
    let source = cluster.source_of(slots).map_err(End::Canceled)?;
    let id = cluster.node(source).map(|node| node.id);
    cluster.add_strays(slots);
    strays::sync(server, db);
    // Until keys come whatever is here of the slots goes.
    if keys_in(db, slots) > 0 {
        return Ok(());
    }
    if work.rules.task.state == TaskState::Failed {
        work.rules.task.retries += 1;
    }
    work.rules.task.source = id.unwrap_or(work.rules.task.source);
    work.rules.connecting(server.clock.unix_ms());
    log::info!("Import task {} started for slots: {}", work.rules.task.id, work.rules.task.slots_text());
    let ReplicaOf { host, port } = endpoint::for_replication(server, source)
        .ok_or_else(|| End::Again("The address of the source is not known".to_owned()))?;
    let ip: IpAddr = host.parse().map_err(|_| End::Again(format!("'{host}' is no address")))?;
    let address = SocketAddr::new(ip, port);
    let stream = connect::open(address, server.config.bind_source_addr.as_deref())?;
    let mut socket = match &server.tls {
        Some(settings) if server.config.tls_replication => {
            Socket::Tls(Box::new(Session::connect(stream, address, settings.client_config())?))
        }
        _ => Socket::Tcp(stream),
    };
    socket.register(server.listeners.registry(), SLOTS_TOKEN)?;
    work.wire.socket = Some(socket);
    Ok(())
}

fn advance(server: &mut Server, db: &mut Databases, work: &mut ImportWork) -> Result<(), End> {
    overtaken(work)?;
    if work.rules.task.state == TaskState::Connecting && !is_connected(server, work)? {
        return Ok(());
    }
    work.flush()?;
    if work.stream.is_none() {
        work.wire.fill(TURN_BYTES)?;
        // The end of a TLS handshake is what the first request waits for.
        work.flush()?;
        while work.stream.is_none() {
            let Some(line) = work.wire.take_line()? else { return Ok(()) };
            answer(server, work, &line)?;
            work.flush()?;
        }
    }
    run_stream(server, db, work)
}

/// Whether the connection stands by now; then the talk begins.
fn is_connected(server: &Server, work: &mut ImportWork) -> Result<bool, End> {
    let Some(socket) = &work.wire.socket else { return Ok(false) };
    if !socket.is_connected()? {
        return Ok(false);
    }
    socket.tune(0, 0).ok();
    match &server.config.masterauth {
        Some(password) => {
            let user = server.config.masteruser.as_ref().map(|user| user.as_bytes());
            let words: Vec<&[u8]> = [&b"AUTH"[..]].into_iter().chain(user).chain([&password[..]]).collect();
            work.wire.say(&words);
            work.rules.goes_on(TaskState::AuthReply, server.clock.unix_ms());
        }
        None => ask(server, work),
    }
    Ok(true)
}

/// Asks for the slots.
fn ask(server: &Server, work: &mut ImportWork) {
    let task = &work.rules.task;
    let ends = task.slots.ranges().into_iter().flat_map(|(first, last)| [first, last]);
    let numbers: Vec<String> = ends.map(|slot| slot.to_string()).collect();
    let head = ["CLUSTER", "SYNCSLOTS", "SYNC", &task.id, task.dest.as_str()];
    let words: Vec<&str> = head.into_iter().chain(numbers.iter().map(String::as_str)).collect();
    work.wire.say(&words);
    work.rules.goes_on(TaskState::SyncslotsReply, server.clock.unix_ms());
}

/// Takes an answer of the source.
fn answer(server: &Server, work: &mut ImportWork, line: &str) -> Result<(), End> {
    match work.rules.task.state {
        TaskState::AuthReply if line.starts_with('-') => {
            return Err(End::Again(format!("Error reply to AUTH from the source: {line}")));
        }
        TaskState::AuthReply => ask(server, work),
        TaskState::SyncslotsReply if line.is_empty() => {}
        _ => {
            let keys = line
                .strip_prefix("+SLOTSSNAPSHOT ")
                .and_then(|keys| keys.parse().ok())
                .ok_or_else(|| End::Again(format!("Error reply to CLUSTER SYNCSLOTS SYNC from the source: {line}")))?;
            let wire = std::mem::take(&mut work.wire);
            let Some(socket) = wire.socket else { return Ok(()) };
            let now_ms = server.clock.unix_ms();
            work.rules.stream_begins(keys, now_ms);
            work.stream = Some(Box::new(Stream {
                requests: Reader::new(Source { head: io::Cursor::new(wire.input), socket }, 0),
                output: Vec::new(),
                client: Internal::new(now_ms),
                reply: Reply::default(),
                reads_on: false,
            }));
            log::info!("Import task {}: the source sends {keys} keys", work.rules.task.id);
        }
    }
    Ok(())
}

/// Works the stream off for a while.
fn run_stream(server: &mut Server, db: &mut Databases, work: &mut ImportWork) -> Result<(), End> {
    let Some(mut stream) = work.stream.take() else { return Ok(()) };
    let started = server.clock.tick();
    stream.reads_on = false;
    // What expires in these slots the source says.
    db.keeps_expired = true;
    let result = loop {
        let taken = match stream.requests.advance() {
            Ok(Found::Requests) => run_batch(server, db, work, &mut stream),
            Ok(Found::End | Found::Torn) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(Found::Malformed) => Err(End::Again("The source has sent what is no request".to_owned())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
        };
        if taken.is_err() {
            break taken;
        }
        let now = server.clock.tick();
        if server.clock.micros_between(started, now) >= SLICE_US {
            stream.reads_on = true;
            break Ok(());
        }
    };
    db.keeps_expired = server.keeps_expired();
    server.moves.input_peak = server.moves.input_peak.max(stream.requests.waiting_bytes());
    work.stream = Some(stream);
    result?;
    work.flush()?;
    Ok(())
}

fn run_batch(server: &mut Server, db: &mut Databases, work: &mut ImportWork, stream: &mut Stream) -> Result<(), End> {
    let now_ms = server.clock.unix_ms();
    for index in 0..stream.requests.requests().0.requests.len() {
        let request = stream.requests.request(index);
        let is = |place: usize, word: &str| {
            place < request.len() && request.get(place).eq_ignore_ascii_case(word.as_bytes())
        };
        let offset = stream.requests.end_of(index);
        if is(0, "CLUSTER") && is(1, "SYNCSLOTS") && request.len() > 2 {
            let answer = match control(server, work, &request, offset) {
                Err(end) if is(2, "TAKEOVER") => {
                    let words = ["CLUSTER", "SYNCSLOTS", "DECLINED", "0"];
                    OwnedRequest::of(&words).view().encode(&mut stream.output);
                    stream.requests.source_mut().socket.write_some(&stream.output).ok();
                    return Err(end);
                }
                answer => answer?,
            };
            if let Some(words) = answer {
                OwnedRequest::of(&words).view().encode(&mut stream.output);
            }
            if is(2, "TAKEOVER") {
                // The connection has no use any more; what could not be said is heard on the bus.
                stream.requests.source_mut().socket.write_some(&stream.output).ok();
                return Err(End::Completed);
            }
        } else if !is(0, "PING") {
            let Stream { client, reply, .. } = stream;
            let error = run(server, db, client, reply, request);
            if let Some(error) = error {
                let (name, error) = (request.get(0).escape_ascii(), error.escape_ascii());
                return Err(End::Again(format!("'{name}' of the source was answered '{error}'")));
            }
        }
        work.rules.applied(offset, now_ms);
    }
    Ok(())
}

/// Runs a request of the source; the error it was answered, if any.
fn run(
    server: &mut Server,
    db: &mut Databases,
    client: &mut Internal,
    reply: &mut Reply,
    request: ArgView<'_>,
) -> Option<Vec<u8>> {
    client.at_work(server, |server, key| {
        let resolved = server.commands.resolve(&request);
        let mut cx = Ctx { db, server, reply: &mut *reply, client: key, command: Default::default() };
        let error = process::run_replicated(&mut cx, resolved, Args::from(request));
        reply.clear();
        error
    })
}

/// Does what the source says about the stream itself; what it is to be told.
fn control(
    server: &mut Server,
    work: &mut ImportWork,
    request: &ArgView<'_>,
    offset: u64,
) -> Result<Option<Vec<String>>, End> {
    let now_ms = server.clock.unix_ms();
    let is = |word: &str| request.get(2).eq_ignore_ascii_case(word.as_bytes());
    let words = |words: &[&str]| {
        ["CLUSTER", "SYNCSLOTS"].iter().chain(words).map(|word| (*word).to_owned()).collect::<Vec<String>>()
    };
    match () {
        () if is("SNAPSHOT-EOF") => {
            work.rules.snapshot_ended();
            Ok(Some(words(&["ACK", &offset.to_string()])))
        }
        () if is("STREAM-EOF") && request.len() > 3 => {
            let lease_ms = i64::try_from(request_number(request, 3)).unwrap_or(0);
            work.rules.stream_ended(lease_ms, now_ms).map_err(|why| End::Again(why.to_owned()))?;
            work.wanted = server.repl.history.offset;
            server.repl.wants_acks |= !server.repl.replicas.is_empty();
            Ok(None)
        }
        () if is("TAKEOVER") && request.len() > 3 => {
            let source_epoch = request_number(request, 3);
            let epoch = take_over(server, work, source_epoch)?;
            Ok(Some(words(&["TAKEN", &epoch.to_string()])))
        }
        () => Err(End::Again(format!("The source has said '{}'", request.get(2).escape_ascii()))),
    }
}

/// A number that the source has said; 0 for what is none.
fn request_number(request: &ArgView<'_>, index: usize) -> u64 {
    number::parse_i64(request.get(index)).and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

/// Takes the slots; the epoch.
fn take_over(server: &mut Server, work: &ImportWork, source_epoch: u64) -> Result<u64, End> {
    // The time this turn began may be long ago.
    server.clock.read_wall();
    let task = &work.rules.task;
    if !work.rules.may_take_over(server.clock.unix_ms()) {
        return Err(End::Again("The source has said too late that the slots may be taken".to_owned()));
    }
    let cluster = server.cluster.as_ref().ok_or_else(|| End::Canceled("no cluster".to_owned()))?;
    let owner = cluster.source_of(&task.slots).map_err(End::Again)?;
    if cluster.node(owner).is_none_or(|node| node.id != task.source) {
        return Err(End::Again("The slots are not the source's any more".to_owned()));
    }
    // A greater epoch would have this node's former claims count against who is about to take its slots.
    if server.moves.export.as_ref().is_some_and(|work| work.rules.has_granted()) {
        return Err(End::Again("This node is giving slots away".to_owned()));
    }
    // The log has all that has come before this node answers for it.
    before_replies(server);
    let epoch =
        event::with(server, |cluster, moment| cluster.take_over(&task.slots, source_epoch, moment)).unwrap_or(0);
    bus::save(server);
    Ok(epoch)
}
