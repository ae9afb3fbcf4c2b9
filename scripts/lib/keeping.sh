# shellcheck shell=bash disable=SC2154
# Everything that a script starts is recorded with a keeper, which ends it also when the script is killed.

KEPT_DIR=""
KEEPER=""

# Makes the throw-away directory and starts its keeper. Call once, at the start.
keep_begin() {
    KEPT_DIR=$(mktemp -d "${TMPDIR:-/tmp}/interlock-test.XXXXXX")
    mkdir "$KEPT_DIR/groups"
    # Its own session: Ctrl-C at the terminal must reach the script alone, which then ends things in order.
    setsid setpriv --pdeathsig TERM "$here/lib/keeper" "$KEPT_DIR" </dev/null >/dev/null 2>&1 &
    KEEPER=$!
    trap keep_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
}

keep_end() {
    trap '' INT TERM HUP
    [[ -n $KEEPER ]] || return 0
    kill -TERM "$KEEPER" 2>/dev/null || true
    wait "$KEEPER" 2>/dev/null || true
    KEEPER=""
}

# keep_start <command>...: starts it in the background as a group of its own; its id is then in STARTED.
keep_start() {
    setsid setpriv --pdeathsig TERM "$@" </dev/null &
    STARTED=$!
    : >"$KEPT_DIR/groups/$STARTED"
}

# keep_run <command>...: the same, and waits for its end. In the background, as a trap waits for a foreground command.
keep_run() {
    local status=0
    printf '    %s\n' "$*" >&2
    keep_start "$@"
    local group=$STARTED
    wait "$group" || status=$?
    kill -TERM -- "-$group" 2>/dev/null || true
    rm -f "$KEPT_DIR/groups/$group"
    return "$status"
}
