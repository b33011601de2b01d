//! Snapshots, loading, and the append-only file at work.

pub mod aof_folder;
pub mod aof_load;
pub mod aof_rewrite;
pub mod aof_switch;
pub mod aof_write;
pub mod backup;
pub mod children;
pub mod final_save;
pub mod forkless;
pub mod load_state;
pub mod load_step;
pub mod loading;
pub mod log_loader;
pub mod preload;
pub mod progress;
pub mod snapshot;
