# shellcheck shell=bash
# How the scripts speak: to standard error, so that standard output stays for what another program reads.

say() { printf '==> %s\n' "$*" >&2; }
note() { printf '    note: %s\n' "$*" >&2; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}
