# shellcheck shell=bash
# The parts of a test run: each is announced, timed and summed up; the first failure decides the exit code.

SUMMARY=()
FIRST_FAILURE=0

# part <name> <command>...: runs on after a failure, so that one run shows everything that is wrong.
part() {
    local name=$1 began=$SECONDS status=0 word=ok
    shift
    say "$name"
    "$@" || status=$?
    if ((status != 0)); then
        word="FAILED ($status)"
        ((FIRST_FAILURE != 0)) || FIRST_FAILURE=$status
    fi
    SUMMARY+=("$(printf '%-10s %4d s  %s' "$name" $((SECONDS - began)) "$word")")
}

print_summary() {
    say "summary"
    printf '    %s\n' "${SUMMARY[@]}" >&2
    printf '    %-10s %4d s  %s\n' total "$SECONDS" "$([[ $1 -eq 0 ]] && echo ok || echo "FAILED ($1)")" >&2
}
