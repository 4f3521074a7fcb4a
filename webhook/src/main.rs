//! The binary `buttress-webhook`: everything is in the library, so that tests need no process.

use std::process::ExitCode;

/// Most of a request is spent in making and dropping small values; measured on a pod of 5 KB, mimalloc takes a third
/// less time for it than the allocator of glibc, and it gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    buttress_webhook::run(std::env::args_os())
}
