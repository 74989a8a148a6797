#!/usr/bin/env bash
# rawe.sh: one script for a fresh machine.
#
#   ./rawe.sh up [args]   install what is missing, build, and run `rawe up [args]`
#   ./rawe.sh test        install what is missing, build, and run all tests
#   ./rawe.sh build       install what is missing and build every binary (target/release)
#   ./rawe.sh check       only say what is there and what is missing
#
# It needs a C compiler (SQLite and the TLS library are built from source), Rust, and redis-server.
# What is missing is installed with the system's package manager, as root or by sudo; where that is
# not possible, the one line to type is printed. Rust comes from rustup, into your home directory.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf 'rawe.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

terminal=no
if [ -t 0 ]; then terminal=yes; fi

PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export PATH

# The oldest Rust that builds this, as the workspace manifest says it.
rust_needed=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml | head -n 1)

# --- the package manager -------------------------------------------------------------------------

package_manager() {
  local manager
  for manager in apt-get dnf apk pacman brew; do
    if have "$manager"; then echo "$manager"; return; fi
  done
  echo none
}
manager=$(package_manager)

# Package names of a need ("compiler", "redis", "download") for the manager; the first that
# installs is taken, alternatives are separated by '|'.
packages_for() {
  case "$manager:$1" in
    apt-get:compiler) echo "gcc libc6-dev" ;;
    apt-get:redis) echo "redis-server|valkey-server" ;;
    apt-get:download) echo "curl ca-certificates" ;;
    dnf:compiler) echo "gcc glibc-devel" ;;
    dnf:redis) echo "redis|valkey" ;;
    dnf:download) echo "curl ca-certificates" ;;
    apk:compiler) echo "gcc musl-dev" ;;
    apk:redis) echo "redis|valkey" ;;
    apk:download) echo "curl ca-certificates" ;;
    pacman:compiler) echo "gcc" ;;
    pacman:redis) echo "valkey|redis" ;;
    pacman:download) echo "curl ca-certificates" ;;
    brew:redis) echo "redis|valkey" ;;
    *) echo "" ;;
  esac
}

install_command() { # packages -> the command, without sudo
  case "$manager" in
    apt-get) echo "apt-get install -y --no-install-recommends $1" ;;
    dnf) echo "dnf install -y $1" ;;
    apk) echo "apk add --no-cache $1" ;;
    pacman) echo "pacman -Sy --needed --noconfirm $1" ;;
    brew) echo "brew install $1" ;;
  esac
}

# Runs a command as root: directly, or by sudo, which may ask for a password only on a terminal.
as_root() {
  if [ "$manager" = brew ] || [ "$(id -u)" = 0 ]; then "$@"; return; fi
  have sudo || return 1
  if [ "$terminal" = yes ]; then sudo "$@"; else sudo -n "$@" 2>/dev/null; fi
}

refreshed=no
refresh_index() {
  if [ "$manager" = apt-get ] && [ "$refreshed" = no ]; then
    as_root apt-get update -qq || return 1
    refreshed=yes
  fi
}

# install NEED: installs the packages of a need. Fails, after printing the line to type, if it cannot.
install() {
  local need=$1 alternatives choice
  alternatives=$(packages_for "$need")
  if [ -z "$alternatives" ]; then return 1; fi
  refresh_index || true
  while read -r choice; do
    say "installing $choice ($manager)"
    # shellcheck disable=SC2046 # the words of the command are meant to be split
    if as_root env DEBIAN_FRONTEND=noninteractive $(install_command "$choice") >&2 </dev/null; then
      return 0
    fi
  done < <(tr '|' '\n' <<<"$alternatives")
  local line
  line=$(install_command "${alternatives%%|*}")
  [ "$manager" = brew ] || line="sudo $line"
  say "could not install it from here; type this line, then start again:"
  printf '\n    %s\n\n' "$line" >&2
  return 1
}

# --- what is needed ------------------------------------------------------------------------------

compiler_found() { have cc || have gcc || have clang; }
redis_found() { have redis-server || have valkey-server; }

# The version of the Rust compiler, such as 1.95.0; empty when there is none that runs.
rust_version() { rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'; }

# at_least A B: whether version A is B or newer.
at_least() {
  [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

rust_found() { have cargo && at_least "$(rust_version)" "$rust_needed"; }

need_compiler() {
  if compiler_found; then return; fi
  say "no C compiler found"
  if [ "$(uname -s)" = Darwin ]; then
    die "type this line, then start again:  xcode-select --install"
  fi
  install compiler || die "a C compiler (cc) is needed"
}

need_rust() {
  if rust_found; then return; fi
  if have rustup; then
    say "Rust $rust_needed or newer is needed, $(rustc --version 2>/dev/null || echo none) found; updating with rustup"
    rustup toolchain install stable --profile minimal --no-self-update >&2 || true
    export RUSTUP_TOOLCHAIN=stable
  else
    say "Rust $rust_needed or newer is needed; installing it with rustup into ${CARGO_HOME:-$HOME/.cargo}"
    have curl || install download || die "curl is needed to fetch rustup"
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal >&2 || true
  fi
  hash -r
  if ! rust_found; then
    say "Rust $rust_needed is still missing; type this line, then start again:"
    printf "\n    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y\n\n" >&2
    exit 1
  fi
}

# need_redis required|wanted
need_redis() {
  if redis_found; then return; fi
  say "no redis-server found"
  if install redis && redis_found; then return; fi
  if [ "$1" = required ]; then die "redis-server is needed to run the tests"; fi
  say "going on without Redis: everything will run in one process (see the warning below)"
}

check() {
  compiler_found && say "C compiler: yes" || say "C compiler: missing"
  rust_found && say "Rust: $(rust_version) (at least $rust_needed is needed)" ||
    say "Rust: missing or too old (at least $rust_needed is needed)"
  redis_found && say "redis-server: yes" || say "redis-server: missing"
  say "package manager: $manager"
}

# --- the words -----------------------------------------------------------------------------------

word=${1:-up}
[ $# -eq 0 ] || shift
case "$word" in
  up)
    need_compiler
    need_rust
    case " ${RAWE_REDIS_URL:-} $* " in
      *redis://*|*rediss://*) ;; # somebody else's Redis will be used
      *) need_redis wanted ;;
    esac
    say "building (the first time takes some minutes)"
    cargo build --release --locked --bin rawe
    exec cargo run --quiet --release --locked --bin rawe -- up "$@"
    ;;
  test)
    need_compiler
    need_rust
    need_redis required
    say "building and testing (the first time takes some minutes)"
    # The same features in both, or everything would be built twice.
    cargo build --workspace --locked --features rawe-sentiment/finbert
    exec cargo test --workspace --locked --features rawe-sentiment/finbert "$@"
    ;;
  build)
    need_compiler
    need_rust
    exec cargo build --release --locked --workspace --bins
    ;;
  check) check ;;
  *)
    sed -n '3,8p' "$0" | sed 's/^# \{0,1\}//'
    exit 64
    ;;
esac
