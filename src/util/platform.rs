//! What only the system's C library tells or does. Everything here is a thin, safe wrapper.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

/// How much nicer than others a thread is that stands back: it gets about a quarter of a processor that it shares with
/// another.
#[cfg(target_os = "linux")]
const STANDING_BACK: libc::c_int = 5;

/// A point of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Day of the month.
    pub day: i32,
    /// Month, from 0.
    pub month: i32,
    /// Year.
    pub year: i32,
    /// Hour.
    pub hour: i32,
    /// Minute.
    pub minute: i32,
    /// Second.
    pub second: i32,
    /// How far it is ahead of UTC, in seconds.
    pub ahead_of_utc_s: i64,
}

/// Local time at a point of Unix time, in seconds.
pub fn local_time(unix_seconds: i64) -> LocalTime {
    let time = unix_seconds as libc::time_t;
    let mut parts = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are valid for the call; `tm` is plain data for which all zeroes is a value.
    let parts = unsafe {
        libc::localtime_r(&time, parts.as_mut_ptr());
        parts.assume_init()
    };
    LocalTime {
        day: parts.tm_mday,
        month: parts.tm_mon,
        year: parts.tm_year + 1900,
        hour: parts.tm_hour,
        minute: parts.tm_min,
        second: parts.tm_sec,
        ahead_of_utc_s: parts.tm_gmtoff,
    }
}

/// The limit of open descriptors: soft and hard.
pub fn descriptor_limit() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the call.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        #[allow(clippy::unnecessary_cast)] // the type differs between systems
        0 => Ok((limit.rlim_cur as u64, limit.rlim_max as u64)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets the limit of open descriptors.
pub fn set_descriptor_limit(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft as libc::rlim_t, rlim_max: hard as libc::rlim_t };
    // SAFETY: the pointer is valid for the call.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTimes {
    /// In the kernel, in seconds.
    pub system: f64,
    /// In the program, in seconds.
    pub user: f64,
}

/// Whose processor time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuOf {
    /// This process.
    Process,
    /// Its children that have ended.
    Children,
    /// The calling thread; the process where the system does not tell threads apart.
    Thread,
}

/// Processor time used so far.
pub fn cpu_times(of: CpuOf) -> CpuTimes {
    let who = match of {
        CpuOf::Process => libc::RUSAGE_SELF,
        CpuOf::Children => libc::RUSAGE_CHILDREN,
        #[cfg(target_os = "linux")]
        CpuOf::Thread => libc::RUSAGE_THREAD,
        #[cfg(not(target_os = "linux"))]
        CpuOf::Thread => libc::RUSAGE_SELF,
    };
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for the call; `rusage` is plain data for which all zeroes is a value.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    CpuTimes { system: seconds(usage.ru_stime), user: seconds(usage.ru_utime) }
}

/// Goes on in a child process without a terminal, while the parent ends. To be called before any thread starts.
pub fn daemonize() -> io::Result<()> {
    // SAFETY: no other thread runs, so the child may do whatever the parent could.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        _ => std::process::exit(0),
    }
    // SAFETY: plain system calls; the path is a C string, the descriptor is ours.
    unsafe {
        libc::setsid();
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
        if null != -1 {
            for standard in 0..=2 {
                libc::dup2(null, standard);
            }
            if null > 2 {
                libc::close(null);
            }
        }
    }
    Ok(())
}

/// Which of these descriptors can be read from at once, or have been closed by their peers.
pub fn readable(descriptors: &[i32]) -> Vec<bool> {
    let wanted = |fd: &i32| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut asked: Vec<libc::pollfd> = descriptors.iter().map(wanted).collect();
    // SAFETY: the records are as many as said, and the call returns at once.
    unsafe { libc::poll(asked.as_mut_ptr(), asked.len() as libc::nfds_t, 0) };
    asked.iter().map(|answer| answer.revents != 0).collect()
}

/// Has writes to closed sockets, and to files that may not grow, fail rather than end the process.
pub fn ignore_broken_pipes() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// The operating system's words for an error, without its number.
pub fn os_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Name, release and machine of the system, such as `Linux 6.1.0 x86_64`.
pub fn system_name() -> String {
    let mut names = MaybeUninit::<libc::utsname>::zeroed();
    // SAFETY: the pointer is valid for the call; `utsname` is plain data for which all zeroes is a value.
    let names = unsafe {
        libc::uname(names.as_mut_ptr());
        names.assume_init()
    };
    let text = |field: &[libc::c_char]| {
        // SAFETY: the system ends each field with a zero, and so do the zeroes from before.
        unsafe { CStr::from_ptr(field.as_ptr()) }.to_string_lossy().into_owned()
    };
    format!("{} {} {}", text(&names.sysname), text(&names.release), text(&names.machine))
}

/// Bytes a group with its members may take.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// The number of a group; `None` if there is none of this name.
///
/// # Errors
/// Those of the system, and `InvalidInput` for a name with a NUL.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    let name = CString::new(name)?;
    let mut room = vec![0; 1024];
    loop {
        let mut group = MaybeUninit::<libc::group>::uninit();
        let mut found = std::ptr::null_mut();
        // SAFETY: the name ends with a zero, `room` is as long as is said, and all of them outlive the call.
        let status = unsafe {
            libc::getgrnam_r(name.as_ptr(), group.as_mut_ptr(), room.as_mut_ptr(), room.len(), &raw mut found)
        };
        match status {
            0 | libc::ENOENT | libc::ESRCH if found.is_null() => return Ok(None),
            // SAFETY: what was found is in `group`, which is complete then.
            0 => return Ok(Some(unsafe { (*found).gr_gid })),
            libc::ERANGE if room.len() < GROUP_BYTES_MAX => room.resize(2 * room.len(), 0),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

fn system_value(name: libc::c_int) -> Option<usize> {
    // SAFETY: a question to the system about a number.
    usize::try_from(unsafe { libc::sysconf(name) }).ok()
}

/// The machine's memory, in bytes; 0 when unknown.
pub fn total_memory() -> usize {
    let pages = system_value(libc::_SC_PHYS_PAGES).unwrap_or(0);
    pages * system_value(libc::_SC_PAGESIZE).unwrap_or(0)
}

/// Memory of this process that is resident, in bytes, where the system tells.
pub fn resident_memory() -> Option<usize> {
    let line = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = line.split(' ').nth(1)?.parse().ok()?;
    Some(pages * system_value(libc::_SC_PAGESIZE)?)
}

/// Has the system begin to write part of a file to the disk, and waits for what came before that part: so what is not
/// yet on the disk never amounts to much.
#[cfg(target_os = "linux")]
pub fn begin_writeback(file: &std::fs::File, from: u64, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let range = |from: u64, bytes: u64, flags: libc::c_uint| {
        // SAFETY: the descriptor is open while the file is borrowed; the rest are plain numbers.
        unsafe { libc::sync_file_range(file.as_raw_fd(), from as i64, bytes as i64, flags) }
    };
    let wait = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    let failed = range(from, bytes, libc::SYNC_FILE_RANGE_WRITE) != 0
        || from > 0 && range(from.saturating_sub(bytes), bytes.min(from), wait) != 0;
    if failed { file.sync_data() } else { Ok(()) }
}

/// Has the system write a file to the disk.
#[cfg(not(target_os = "linux"))]
pub fn begin_writeback(file: &std::fs::File, _: u64, _: u64) -> io::Result<()> {
    file.sync_data()
}

/// Memory that this process has for itself and has written to, in bytes, where the system tells.
pub fn private_dirty_memory() -> Option<usize> {
    let summary = std::fs::read_to_string("/proc/self/smaps_rollup");
    let text = summary.or_else(|_| std::fs::read_to_string("/proc/self/smaps")).ok()?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("Private_Dirty:"));
    let kilobytes = lines.filter_map(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    Some(kilobytes.sum::<usize>() * 1024)
}

/// Signals that tell of an error of the program.
const FATAL_SIGNALS: [libc::c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT];

/// The stack of a handler of fatal signals, in bytes: a report takes a part of it.
const SIGNAL_STACK_BYTES: usize = 1 << 20;

/// A stack of its own for what handles fatal signals in the calling thread, whose own stack may have come to its end.
#[derive(Debug)]
#[must_use = "the stack is there as long as this lives"]
pub struct SignalStack(*mut libc::c_void);

impl SignalStack {
    /// Makes one, and uses it; none if there is no memory.
    pub fn begin() -> Option<SignalStack> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: asks for memory wherever there is some; it is taken up page by page as it is used.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), SIGNAL_STACK_BYTES, access, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return None;
        }
        let stack = SignalStack(base);
        stack.switch(0).then_some(stack)
    }

    fn switch(&self, flags: libc::c_int) -> bool {
        let stack = libc::stack_t { ss_sp: self.0, ss_flags: flags, ss_size: SIGNAL_STACK_BYTES };
        // SAFETY: the memory is there until it is no longer used, see `drop`.
        unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) == 0 }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        self.switch(libc::SS_DISABLE);
        // SAFETY: the memory is this value's own, and used by nobody any more.
        unsafe { libc::munmap(self.0, SIGNAL_STACK_BYTES) };
    }
}

/// Has a function called when a signal is about to end this process, instead of what was before; with `None` they end
/// it as they do by default. The function may not return. It runs on the thread's [`SignalStack`].
pub fn catch_fatal_signals(handler: Option<extern "C" fn(libc::c_int)>) {
    for signal in FATAL_SIGNALS {
        let action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: `sigaction` is plain data for which all zeroes is a value: no handler, no signal held back.
        let mut action = unsafe { action.assume_init() };
        action.sa_sigaction = handler.map_or(libc::SIG_DFL, |handler| handler as libc::sighandler_t);
        action.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK;
        // SAFETY: the pointer is valid for the call. What the handler does is no worse than the crash it reports.
        unsafe {
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

/// Ends this process by a signal, as it would have ended without a handler.
pub fn die_of(signal: libc::c_int) -> ! {
    // SAFETY: sets the signal to what it does by default, and sends it.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    std::process::abort()
}

/// Ends this process after some seconds, whatever it does by then.
pub fn die_after(seconds: u32) {
    // SAFETY: sets the signal of the alarm to what it does by default.
    unsafe {
        libc::signal(libc::SIGALRM, libc::SIG_DFL);
        libc::alarm(seconds);
    }
}

/// Stops this process until somebody lets it go on.
pub fn stop_self() {
    // SAFETY: stopping breaks no promise of this process.
    unsafe {
        libc::raise(libc::SIGSTOP);
    }
}

/// Has the calling thread stand back where there are fewer processors than threads that want one. Elsewhere than on Linux
/// priorities are those of whole processes, and nothing happens.
pub fn stand_back() {
    // SAFETY: changes a number in the kernel. The worst that can happen is that it does not.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::nice(STANDING_BACK);
    }
}

/// Keeps the kernel from giving this process huge pages, where it would.
#[cfg(target_os = "linux")]
pub fn disable_huge_pages() -> io::Result<()> {
    // SAFETY: this call takes plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Keeps the kernel from giving this process huge pages: other systems have no such call.
#[cfg(not(target_os = "linux"))]
pub fn disable_huge_pages() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stands_back_alone() {
        // SAFETY: reads a number in the kernel.
        let niceness = || unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
        let before = niceness();
        let of_thread = std::thread::spawn(move || {
            stand_back();
            niceness()
        });
        assert_eq!(of_thread.join().expect("a niceness"), (before + STANDING_BACK).min(19));
        assert_eq!(niceness(), before);
    }
}
