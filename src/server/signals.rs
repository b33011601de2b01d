//! SIGTERM and SIGINT: an orderly end.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::state::ShutdownOptions;
use super::{Server, shutdown};
use crate::net::tokens::SIGNAL_TOKEN;

/// The reading end of the pipe through which signals reach the event loop.
pub struct Signals {
    woken: UnixStream,
    latest: Arc<AtomicUsize>,
    interrupted: Arc<AtomicBool>,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// When the system gives no pipe.
    pub fn install(registry: &Registry) -> io::Result<Signals> {
        let (reader, writer) = std::os::unix::net::UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let latest = Arc::new(AtomicUsize::new(0));
        for signal in [SIGTERM, SIGINT] {
            signal_hook::flag::register_usize(signal, Arc::clone(&latest), signal as usize)?;
            pipe::register(signal, writer.try_clone()?)?;
        }
        let interrupted = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, Arc::clone(&interrupted))?;
        let mut woken = UnixStream::from_std(reader);
        registry.register(&mut woken, SIGNAL_TOKEN, Interest::READABLE)?;
        Ok(Signals { woken, latest, interrupted })
    }

    /// What tells of a further SIGINT while the server is busy ending.
    pub fn interrupted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Asks for the end of the server. A second SIGINT does not wait for anything.
    pub fn handle(&mut self, server: &mut Server) {
        while self.woken.read(&mut [0; 16]).is_ok_and(|count| count > 0) {}
        let signal = self.latest.load(Ordering::Relaxed);
        if server.pending_shutdown.is_some() && signal == SIGINT as usize {
            log::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
        let (name, flags) = match signal == SIGINT as usize {
            true => ("SIGINT", server.config.shutdown_on_sigint),
            false => ("SIGTERM", server.config.shutdown_on_sigterm),
        };
        log::warn!("Received {name} scheduling shutdown...");
        self.interrupted.store(false, Ordering::Relaxed);
        shutdown::request(server, ShutdownOptions { save: flags.save, no_save: flags.nosave, force: flags.force });
    }
}
