# shellcheck shell=bash
# Ports on loopback.

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port that nobody listens on, below the range from which Linux takes the ports of outgoing connections.
free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + SRANDOM % 12000))
        port_answers "$port" || { echo "$port"; return 0; }
    done
    return 1
}
