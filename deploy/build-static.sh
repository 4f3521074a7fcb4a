#!/usr/bin/env bash
# Builds the webhook as one static binary for amd64 or arm64, on either of them. Usage: build-static.sh amd64|arm64 OUTPUT
# Needs clang, llvm-ar and the headers of musl for that processor (Debian: clang llvm musl-dev:ARCH); MUSL_HEADERS names another
# folder for these.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$1" in
    amd64) processor=x86_64 ;;
    arm64) processor=aarch64 ;;
    *) echo "the first argument is amd64 or arm64, not $1" >&2; exit 2 ;;
esac
target="$processor-unknown-linux-musl"
headers="${MUSL_HEADERS:-/usr/include/$processor-linux-musl}"
if [ ! -f "$headers/stdio.h" ]; then
    echo "no headers of musl in $headers: install musl-dev:$1, or set MUSL_HEADERS" >&2
    exit 2
fi

rustup target add "$target"
underscored="${target//-/_}"
# The C that comes with two of the crates: cryptography (ring) and the allocator (mimalloc).
export "CC_$underscored=clang" "AR_$underscored=llvm-ar"
export "CFLAGS_$underscored=--target=$processor-linux-musl -nostdlibinc -isystem $headers"
# Rust brings musl's libraries and a linker for all processors.
variable="CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")"
export "${variable}_LINKER=rust-lld"
export "${variable}_RUSTFLAGS=-Ctarget-feature=+crt-static -Clink-self-contained=yes"

cargo build --locked --release --package buttress-webhook --bin buttress-webhook --target "$target"
install -m 0755 "${CARGO_TARGET_DIR:-target}/$target/release/buttress-webhook" "$2"
