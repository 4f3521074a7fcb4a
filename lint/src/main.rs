//! The binary: hands the process's arguments, streams and surroundings to [`buttress_lint::run`].

use std::process::ExitCode;

use buttress_lint::{Session, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os(), &mut Session::of_process()))
}
