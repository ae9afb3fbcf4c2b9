# shellcheck shell=bash
# What a bare machine lacks: the server binaries, a C compiler, a fast linker. Sourced, never run.

RABBITMQ_SERVER=${RABBITMQ_SERVER:-}
apt_lists_fresh=""

# The package's own start script: the wrapper in sbin switches to another user, which a private node cannot use.
find_rabbitmq() {
    local candidate
    for candidate in "$RABBITMQ_SERVER" /usr/lib/rabbitmq/bin/rabbitmq-server /usr/lib64/rabbitmq/bin/rabbitmq-server \
        /opt/rabbitmq/sbin/rabbitmq-server /usr/local/sbin/rabbitmq-server /opt/homebrew/sbin/rabbitmq-server; do
        if [[ -n $candidate && -x $candidate ]]; then
            RABBITMQ_SERVER=$candidate
            export RABBITMQ_SERVER
            return 0
        fi
    done
    return 1
}

find_redis() { command -v redis-server >/dev/null; }

has_apt() { command -v apt-get >/dev/null && { [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null; }; }

as_root() { if [[ $EUID -eq 0 ]]; then "$@"; else sudo -n "$@"; fi; }

# Installs packages without starting what they contain: Debian starts a fresh server on all interfaces otherwise
# (Debian policy manual, "Starting system services": exit 101 of policy-rc.d forbids it).
# A process of its own, so that the file goes again even if this script is killed meanwhile.
apt_install() {
    say "installing $* with apt-get"
    # shellcheck disable=SC2016
    as_root sh -c '
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap "rm -f $policy" EXIT
            trap "exit 130" INT TERM HUP
            printf "#!/bin/sh\nexit 101\n" >"$policy"
            chmod 755 "$policy"
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
    ' sh "$@" </dev/null
}

# apt_packages <package>...: installs what is missing, and refreshes the lists first if they do not know it.
apt_packages() {
    if [[ -z $apt_lists_fresh ]] && ! apt-cache show "$@" >/dev/null 2>&1; then
        say "refreshing the package lists"
        as_root apt-get update -q </dev/null >&2 || return 1
        apt_lists_fresh=yes
    fi
    apt_install "$@" >&2
}

# A C compiler builds the bundled SQLite and the cryptography library.
ensure_compiler() {
    command -v cc >/dev/null && return 0
    has_apt && apt_packages build-essential cmake && return 0
    fail "no C compiler: install one (Debian: build-essential and cmake), or run as root or with sudo"
}

# True when both servers' binaries are there, after an attempt to install them.
ensure_servers_installed() {
    local missing=()
    find_rabbitmq || missing+=(rabbitmq-server)
    find_redis || missing+=(redis-server)
    command -v setpriv >/dev/null || missing+=(util-linux)
    [[ ${#missing[@]} -eq 0 ]] && return 0
    if has_apt; then
        apt_packages "${missing[@]}" || note "apt-get could not install ${missing[*]}"
    else
        note "cannot install ${missing[*]}: neither root with apt-get, nor sudo without a password"
    fi
    find_rabbitmq && find_redis && command -v setpriv >/dev/null
}
