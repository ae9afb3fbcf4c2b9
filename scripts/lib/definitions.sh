# shellcheck shell=bash
# The broker's virtual hosts for the tests, in RabbitMQ's definitions format (RabbitMQ documentation, "Definitions").

# definitions_json <number of vhosts> <user>: vhosts t0, t1, ... in which the user may do everything.
definitions_json() {
    local vhost permissions=() vhosts=()
    for ((vhost = 0; vhost < $1; vhost++)); do
        vhosts+=("{\"name\":\"t$vhost\"}")
        permissions+=("{\"user\":\"$2\",\"vhost\":\"t$vhost\",\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}")
    done
    local IFS=,
    printf '"vhosts":[%s],\n"permissions":[%s]' "${vhosts[*]}" "${permissions[*]}"
}

# What a fresh node of our own loads at its first start.
node_definitions_json() {
    printf '{"users":[{"name":"guest","password":"guest","tags":"administrator"}],\n%s}\n' "$(definitions_json "$1" guest)"
}
