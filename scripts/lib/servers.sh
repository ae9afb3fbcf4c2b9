# shellcheck shell=bash disable=SC2154
# RabbitMQ and Redis for the tests: those given, else private ones on loopback, else containers.

TEST_VHOSTS=${INTERLOCK_TEST_VHOSTS:-128}

# Leaves INTERLOCK_TEST_AMQP, INTERLOCK_TEST_VHOSTS, INTERLOCK_TEST_REDIS and INTERLOCK_TEST_DIR in the environment.
start_servers() {
    unset INTERLOCK_TEST_AMQP INTERLOCK_TEST_REDIS
    export INTERLOCK_TEST_DIR=$KEPT_DIR/tests INTERLOCK_TEST_VHOSTS=$TEST_VHOSTS
    mkdir -p "$INTERLOCK_TEST_DIR"
    use_given_redis || true
    use_given_broker || true
    if [[ -z ${INTERLOCK_TEST_AMQP:-} || -z ${INTERLOCK_TEST_REDIS:-} ]]; then
        if ensure_servers_installed; then start_private_servers; else start_containers; fi
    fi
}

use_given_redis() {
    [[ -n ${REDIS_URL:-} ]] || return 1
    say "Redis: REDIS_URL"
    export INTERLOCK_TEST_REDIS=$REDIS_URL
}

# A story needs a vhost of its own, which only the management API can make (AMQP itself cannot).
use_given_broker() {
    [[ -n ${AMQP_URL:-} ]] || return 1
    local rest=${AMQP_URL#*://} user=guest:guest host
    [[ $rest == *@* ]] && user=${rest%%@*} rest=${rest#*@}
    rest=${rest%%/*} host=${rest%%:*}
    local api=${AMQP_MANAGEMENT_URL:-http://$host:15672}/api
    # What an earlier run left in them would reach the stories of this one. Fails where there are none yet.
    call_management "$user" -X DELETE "$api/vhosts/t[0-$((TEST_VHOSTS - 1))]" || true
    if printf '{%s}' "$(definitions_json "$TEST_VHOSTS" "${user%%:*}")" \
        | call_management "$user" -H 'content-type: application/json' --data-binary @- "$api/definitions"; then
        say "RabbitMQ: AMQP_URL, with $TEST_VHOSTS vhosts made through its management API"
        export INTERLOCK_TEST_AMQP="${AMQP_URL%%://*}://$user@$rest"
    else
        note "AMQP_URL is not used: no management API at $api (or AMQP_MANAGEMENT_URL) to make the vhosts of the tests"
        return 1
    fi
}

# The password goes in by a file descriptor: arguments are visible to other users of the machine.
call_management() {
    local user=$1
    shift
    curl -sf -m 60 -K <(printf 'user = "%s"\n' "$user") "$@" >/dev/null
}

start_private_servers() {
    local rabbitmq="" redis="" rabbitmq_port redis_port
    if [[ -z ${INTERLOCK_TEST_AMQP:-} ]]; then
        rabbitmq_port=$(free_port)
        say "RabbitMQ: a private node on 127.0.0.1:$rabbitmq_port with $TEST_VHOSTS vhosts ($RABBITMQ_SERVER)"
        keep_start "$here/lib/rabbitmq-node" "$KEPT_DIR/rabbitmq" "$rabbitmq_port" "$TEST_VHOSTS"
        rabbitmq=$STARTED
        export INTERLOCK_TEST_AMQP=amqp://guest:guest@127.0.0.1:$rabbitmq_port
    fi
    if [[ -z ${INTERLOCK_TEST_REDIS:-} ]]; then
        redis_port=$(free_port)
        say "Redis: a private server on 127.0.0.1:$redis_port"
        mkdir "$KEPT_DIR/redis"
        keep_start redis-server --port "$redis_port" --bind 127.0.0.1 --save "" --appendonly no --dir "$KEPT_DIR/redis" \
            --loglevel warning --logfile "$KEPT_DIR/redis/log"
        redis=$STARTED
        export INTERLOCK_TEST_REDIS=redis://127.0.0.1:$redis_port
    fi
    [[ -z $redis ]] || wait_for_server Redis "$redis" "$redis_port" "$KEPT_DIR/redis/log"
    [[ -z $rabbitmq ]] || wait_for_server RabbitMQ "$rabbitmq" "$rabbitmq_port" "$KEPT_DIR/rabbitmq/log/console"
}

# wait_for_server <name> <process> <port> <log>
wait_for_server() {
    local deadline=$((SECONDS + 120))
    until port_answers "$3"; do
        if ! kill -0 "$2" 2>/dev/null || ((SECONDS >= deadline)); then
            tail -n 30 "$4" >&2 || true
            fail "$1 did not start"
        fi
        sleep 0.1
    done
}

start_containers() {
    docker compose version >/dev/null 2>&1 || fail "no RabbitMQ and Redis: install rabbitmq-server and redis-server \
(as root or with sudo this script does it with apt-get), or docker compose, or give AMQP_URL and REDIS_URL"
    local project="interlock-test-$$"
    local compose=(docker compose -p "$project" -f "$here/../docker-compose.yml")
    AMQP_PORT=$(free_port) REDIS_PORT=$(free_port)
    export AMQP_PORT REDIS_PORT
    say "RabbitMQ and Redis: containers of the compose project $project"
    echo "$project" >"$KEPT_DIR/compose"
    "${compose[@]}" up -d --wait rabbitmq redis </dev/null >&2 || fail "the containers did not start"
    node_definitions_json "$TEST_VHOSTS" | "${compose[@]}" exec -T rabbitmq rabbitmqctl import_definitions >&2 \
        || fail "the vhosts could not be made"
    export INTERLOCK_TEST_AMQP=${INTERLOCK_TEST_AMQP:-amqp://guest:guest@127.0.0.1:$AMQP_PORT}
    export INTERLOCK_TEST_REDIS=${INTERLOCK_TEST_REDIS:-redis://127.0.0.1:$REDIS_PORT}
}
