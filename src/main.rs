//! The `oxidis` server. What it does is in the library of the same name.

fn main() -> std::process::ExitCode {
    oxidis::main()
}
