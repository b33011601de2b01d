//! SIGTERM and SIGINT: an orderly end.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::net::event_loop::SIGNAL_TOKEN;
use crate::server::{Server, Shutdown};

/// The reading end of the pipe through which signals reach the event loop.
pub struct Signals {
    woken: UnixStream,
    latest: Arc<AtomicUsize>,
    asked_before: bool,
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
        let mut woken = UnixStream::from_std(reader);
        registry.register(&mut woken, SIGNAL_TOKEN, Interest::READABLE)?;
        Ok(Signals { woken, latest, asked_before: false })
    }

    /// Begins to shut down. A second SIGINT does not wait for anything.
    pub fn handle(&mut self, server: &mut Server) {
        while self.woken.read(&mut [0; 16]).is_ok_and(|count| count > 0) {}
        let signal = self.latest.load(Ordering::Relaxed);
        if self.asked_before && signal == SIGINT as usize {
            log::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
        let name = if signal == SIGINT as usize { "SIGINT" } else { "SIGTERM" };
        log::warn!("Received {name} scheduling shutdown...");
        self.asked_before = true;
        log::warn!("User requested shutdown...");
        server.shutdown = Some(Shutdown { status: 0 });
    }
}
