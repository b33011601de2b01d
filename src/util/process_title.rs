//! The title of the process, as `ps` shows it.
//!
//! Linux shows the memory that the arguments were passed in. A longer title runs on into the memory behind it, that of
//! the environment, which has to move elsewhere first. When the zero behind the last argument is overwritten the kernel
//! takes the whole for one text that ends at its first zero:
//! ```text
//! before  ./server\0conf\0PATH=/bin\0HOME=/\0
//! after   TITLE longer than that\0\0\0\0\0\0\0
//! ```
//! Other systems keep the title they have.
#![allow(unsafe_code)]

/// The memory that the title is written to.
#[derive(Debug)]
pub struct ProcessTitle {
    /// Where it begins, how long the arguments were, and how long a title may be, all in bytes.
    start: usize,
    arguments: usize,
    capacity: usize,
}

impl ProcessTitle {
    /// Finds the memory and moves the environment out of it. Whoever asks for the program's arguments afterwards gets
    /// pieces of the title. `None` where the memory cannot be found, or other threads run already.
    pub fn take_over() -> Option<ProcessTitle> {
        if !cfg!(target_os = "linux") || std::fs::read_dir("/proc/self/task").ok()?.count() != 1 {
            return None;
        }
        let title = ProcessTitle::find(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
        for (name, value) in std::env::vars_os().collect::<Vec<_>>() {
            // SAFETY: this is the only thread, so nobody reads the environment meanwhile. The C library keeps a copy of
            // what it is given.
            unsafe { std::env::set_var(name, value) };
        }
        Some(title)
    }

    /// Reads the addresses off the line of `/proc/self/stat`.
    fn find(line: &str) -> Option<ProcessTitle> {
        // The program's name, in parentheses, may hold anything; the fields behind it are counted from the third.
        let (_, fields) = line.rsplit_once(')')?;
        let mut fields = fields.split_whitespace().skip(48 - 3).map(str::parse::<usize>);
        let mut field = || fields.next()?.ok();
        let (arg_start, arg_end, env_start, env_end) = (field()?, field()?, field()?, field()?);
        let is_whole = arg_start != 0 && arg_start < arg_end && arg_end == env_start && env_start <= env_end;
        let (arguments, capacity) = (arg_end.checked_sub(arg_start)?, env_end.checked_sub(arg_start)?);
        is_whole.then_some(ProcessTitle { start: arg_start, arguments, capacity })
    }

    /// Shows `title`, or as much of it as there is room for.
    pub fn set(&mut self, title: &str) {
        let start = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
        // SAFETY: the kernel said that this memory holds arguments and environment. It is writable and lives as long as
        // the process; the environment is elsewhere since `take_over`, and the arguments were copied before.
        let memory = unsafe { std::slice::from_raw_parts_mut(start, self.capacity) };
        write_title(memory, self.arguments, title.as_bytes());
    }
}

fn write_title(memory: &mut [u8], arguments: usize, title: &[u8]) {
    let shown = title.len().min(memory.len().saturating_sub(1));
    memory.fill(0);
    memory[..shown].copy_from_slice(&title[..shown]);
    if shown < arguments {
        memory[arguments - 1] = if shown + 1 == arguments { b' ' } else { b'.' };
    }
    if let Some(last) = memory.last_mut() {
        *last = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_any_length_end_with_a_zero() {
        for length in 0..20 {
            let mut memory = [b'x'; 16];
            write_title(&mut memory, 8, &b"title-title-title-title"[..length]);
            let shown = length.min(15);
            assert!(memory.starts_with(&b"title-title-title-title"[..shown]));
            assert_eq!(memory[15], 0);
            assert_ne!(memory[7], 0, "the kernel has to see that the arguments are gone");
        }
    }

    #[test]
    fn the_addresses_stand_in_the_stat_line() {
        let head = "1 (a b) c) S".to_owned() + &" 0".repeat(44);
        let found = ProcessTitle::find(&format!("{head} 100 120 120 200 0")).unwrap();
        assert_eq!((found.start, found.arguments, found.capacity), (100, 20, 100));
        assert!(ProcessTitle::find(&format!("{head} 100 120 130 200 0")).is_none());
        assert!(ProcessTitle::find("1 (a) S 0 0").is_none());
    }
}
