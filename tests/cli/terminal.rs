//! The client in a pseudo-terminal: keys typed, the screen read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, thread};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

use crate::common::PATIENCE;

pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_R: &str = "\x12";
pub const TAB: &str = "\t";
pub const ENTER: &str = "\r";
pub const UP: &str = "\x1b[A";

/// A client in a terminal of its own, killed when dropped.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen has been expected already.
    seen: usize,
    home: TempDir,
}

impl Terminal {
    /// Starts the client with these arguments and an empty home.
    pub fn start(args: &[&str]) -> Terminal {
        Terminal::start_in(tempfile::tempdir().expect("a home"), args)
    }

    /// Starts the client in a home that another left.
    pub fn start_in(home: TempDir, args: &[&str]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal to open");
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("a path");
        let slave = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("the terminal"));
        // Ctrl-C is for the session whose terminal it is.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(super::program::client())
            .args(args)
            .env_clear()
            .env("HOME", home.path())
            .env("TERM", "xterm")
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .stdin(slave())
            .stdout(slave())
            .stderr(slave())
            .spawn()
            .expect("setsid and the client start");
        let screen = Arc::new(Mutex::new(Vec::new()));
        follow(&master, Arc::clone(&screen));
        Terminal { child, keyboard: File::from(master), screen, seen: 0, home }
    }

    /// Types.
    pub fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// Types a line.
    pub fn line(&mut self, line: &str) {
        self.keys(&format!("{line}{ENTER}"));
    }

    /// Waits until the text has appeared behind what was expected before; what came up to its end.
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.text();
            let new = screen.get(self.seen..).unwrap_or_default();
            if let Some(at) = new.find(text) {
                let end = at + text.len();
                let before = new[..end].to_owned();
                self.seen += end;
                return before;
            }
            assert!(Instant::now() < deadline, "waited in vain for {text:?}, there is {new:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that was written, without the sequences that move and colour.
    fn text(&self) -> String {
        let screen = self.screen.lock().expect("a whole screen");
        let mut text = String::new();
        let screen = String::from_utf8_lossy(&screen);
        let mut rest = screen.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\x1b' => {
                    if rest.next_if(|next| matches!(next, '[')).is_some() {
                        while rest.next_if(|next| !next.is_ascii_alphabetic()).is_some() {}
                    }
                    rest.next();
                }
                '\r' => {}
                other => text.push(other),
            }
        }
        text
    }

    /// All that was written, as it was.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("a whole screen")).into_owned()
    }

    /// Waits for the client to end by itself with this status; its home.
    pub fn ended(mut self, status: i32) -> TempDir {
        let deadline = Instant::now() + PATIENCE;
        let ended = loop {
            if let Some(ended) = self.child.try_wait().expect("a child to wait for") {
                break ended;
            }
            assert!(Instant::now() < deadline, "the client goes on: {:?}", self.text());
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(ended.code(), Some(status), "{}", self.text());
        std::mem::replace(&mut self.home, tempfile::tempdir().expect("another home"))
    }

    /// The client's home.
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(master: &OwnedFd, screen: Arc<Mutex<Vec<u8>>>) {
    let mut master = File::from(master.try_clone().expect("a second handle"));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Ends with an error when the last to use the terminal has gone.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            screen.lock().expect("a whole screen").extend_from_slice(&buffer[..count]);
        }
    });
}
