//! The client: its output beside that of redis-cli, its modes, and its prompt in a pseudo-terminal.

mod common;

mod cli {
    mod cluster;
    mod comparison;
    mod modes;
    pub mod program;
    mod prompt;
    pub mod terminal;
}
