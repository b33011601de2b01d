//! Work on records: rustls says what is to be done next, step by step, until it needs more or a task is done.

use std::io;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};

/// Which end of a session this is.
pub enum Side {
    /// The one that was connected to.
    Server(UnbufferedServerConnection),
    /// The one that has connected.
    Client(UnbufferedClientConnection),
}

/// One end of a session.
pub struct Engine {
    side: Side,
    /// There was an error: rustls must not be asked again.
    has_failed: bool,
}

/// Where decrypted bytes go: first to whom asked for them.
pub struct Plain<'a> {
    /// Room offered.
    pub buffer: &'a mut [u8],
    /// How much of it is used.
    pub filled: usize,
    /// Takes what has no place there.
    pub surplus: &'a mut Vec<u8>,
}

impl Plain<'_> {
    fn take(&mut self, bytes: &[u8]) {
        let room = &mut self.buffer[self.filled..];
        let (fits, surplus) = bytes.split_at(bytes.len().min(room.len()));
        room[..fits.len()].copy_from_slice(fits);
        self.filled += fits.len();
        self.surplus.extend_from_slice(surplus);
    }
}

/// What is to be done once all records are worked on.
pub enum Task<'a> {
    /// Nothing.
    Read,
    /// Encrypt bytes.
    Write {
        /// The bytes,
        bytes: &'a [u8],
        /// and where the records go.
        into: &'a mut [u8],
    },
    /// Write the alert that ends the session.
    Close {
        /// Where it goes.
        into: &'a mut [u8],
    },
}

/// What was done.
#[derive(Default)]
pub struct Advance {
    /// Bytes of the records that are done with.
    pub used: usize,
    /// Bytes the task has written.
    pub written: usize,
    /// The peer has ended the session.
    pub has_ended: bool,
}

/// What one step came to.
enum Step {
    /// There is more to do.
    Again,
    /// The peer has ended the session.
    Ended,
    /// Nothing can be done before more records come.
    NeedsMore,
    /// The task has written so many bytes.
    Wrote(usize),
}

impl Engine {
    /// The one end or the other.
    pub fn new(side: Side) -> Engine {
        Engine { side, has_failed: false }
    }

    /// Whether the handshake goes on.
    pub fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Server(connection) => connection.is_handshaking(),
            Side::Client(connection) => connection.is_handshaking(),
        }
    }

    /// The certificate of the other end, once it was checked.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        let chain = match &self.side {
            Side::Server(connection) => connection.peer_certificates(),
            Side::Client(connection) => connection.peer_certificates(),
        };
        chain?.first()
    }

    /// Works on records and does a task. What the session has to say by itself is appended to `outgoing`: after an
    /// error, the alert that tells the peer.
    ///
    /// # Errors
    /// `InvalidData` when the peer breaks the rules or is not to be trusted; from then on always.
    pub fn advance(
        &mut self,
        records: &mut [u8],
        plain: &mut Plain<'_>,
        outgoing: &mut Vec<u8>,
        mut task: Task<'_>,
    ) -> io::Result<Advance> {
        let mut done = Advance::default();
        while !self.has_failed {
            let (used, step) = self.step(&mut records[done.used..], plain, outgoing, &mut task);
            done.used += used;
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Ended) => done.has_ended = true,
                Ok(Step::NeedsMore) => return Ok(done),
                Ok(Step::Wrote(written)) => {
                    done.written = written;
                    return Ok(done);
                }
                Err(error) => {
                    self.has_failed = true;
                    while self.has_alert() {
                        let (used, step) = self.step(&mut records[done.used..], plain, outgoing, &mut Task::Read);
                        done.used += used;
                        step?;
                    }
                    return Err(error);
                }
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Whether rustls has something to send, which then comes before everything else.
    fn has_alert(&self) -> bool {
        match &self.side {
            Side::Server(connection) => connection.wants_write(),
            Side::Client(connection) => connection.wants_write(),
        }
    }

    fn step(
        &mut self,
        records: &mut [u8],
        plain: &mut Plain<'_>,
        outgoing: &mut Vec<u8>,
        task: &mut Task<'_>,
    ) -> (usize, io::Result<Step>) {
        match &mut self.side {
            Side::Server(connection) => take(connection.process_tls_records(records), plain, outgoing, task),
            Side::Client(connection) => take(connection.process_tls_records(records), plain, outgoing, task),
        }
    }
}

/// Takes what rustls offers; how many bytes of the records are done with.
fn take<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Plain<'_>,
    outgoing: &mut Vec<u8>,
    task: &mut Task<'_>,
) -> (usize, io::Result<Step>) {
    let mut used = status.discard;
    let step = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    used += record.discard;
                    plain.take(record.payload);
                }
                Some(Err(error)) => break Err(invalid(error)),
                None => break Ok(Step::Again),
            }
        },
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, outgoing).map(|()| Step::Again),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let written = match task {
                Task::Read => return (used, Ok(Step::NeedsMore)),
                Task::Write { bytes, into } => traffic.encrypt(bytes, into),
                Task::Close { into } => traffic.queue_close_notify(into),
            };
            written.map(Step::Wrote).map_err(|error: EncryptError| io::Error::other(error))
        }
        // The handshake goes on, both sides have ended, or there is something we have not asked for.
        Ok(_) => Ok(Step::NeedsMore),
        Err(error) => Err(invalid(error)),
    };
    (used, step)
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Appends a record of the session's own.
fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let old = outgoing.len();
    let mut size = 0;
    loop {
        outgoing.resize(old + size, 0);
        match data.encode(&mut outgoing[old..]) {
            Ok(written) => {
                outgoing.truncate(old + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(needed)) if needed.required_size > size => size = needed.required_size,
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}
