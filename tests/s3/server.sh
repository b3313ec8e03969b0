#!/usr/bin/env bash
# A real S3 server for the tests: Ceph's RADOS gateway over one monitor and one object store, on 127.0.0.1.
# All it makes lies in one folder. No systemd, no containers; root only to install.
#
#   server.sh install      get the packages (Debian 12 or newer)
#   server.sh installed    exit code 0 if all programs are there, else name the first that is not
#   server.sh start        start it and print what lakebatch needs to reach it, one setting per line
#   server.sh status       one line per daemon
#   server.sh stop         stop it; the next start goes on with the same data
#   server.sh wipe         stop it and remove its folder
#   server.sh stranger     add a user with no rights of its own, and print its keys
#
# By hand: set -a; eval "$(tests/s3/server.sh start)"; lakebatch run response-noise --preset smoke
set -euo pipefail

folder=${SERVER_FOLDER:-${TMPDIR:-/tmp}/lakebatch-s3-$(id -u)}
port=${SERVER_PORT:-7480}                 # of the S3 endpoint
monitor_port=${SERVER_MONITOR_PORT:-7481}
store=${SERVER_STORE:-memstore}           # memstore: memory, written out by `stop`; bluestore: a file, survives kill -9

bucket=lake access_key=lakebatch-tests secret_key=not-a-secret-but-must-not-leak region=us-east-1
endpoint=http://127.0.0.1:$port
configuration=$folder/ceph.conf
complete=$folder/complete                 # exists once the very first start went through
daemons=(mon.a osd.0 client.rgw)          # in the order of their start
programs=(ceph ceph-mon ceph-osd curl monmaptool radosgw radosgw-admin)
export CEPH_ARGS="--conf $configuration"

main() {
    case "$*" in
        install | installed | start | status | stop | wipe | stranger) "$1" ;;
        *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
}

install() {
    installed 2>/dev/null && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
        ceph-common ceph-mon ceph-osd curl radosgw >/dev/null
    installed
}

installed() {
    local program
    for program in "${programs[@]}"; do
        command -v "$program" >/dev/null || { echo "not installed: $program" >&2; return 1; }
    done
}

start() {
    installed
    if [ ! -e "$complete" ]; then
        wipe
        make_monitor
    fi
    runs mon.a || ceph-mon --id a
    eventually 30 ceph --connect-timeout 5 mon stat
    [ -e "$complete" ] || make_store
    runs osd.0 || ceph-osd --id 0 >>"$folder/log/osd.0.out" 2>&1
    eventually 60 store_is_up
    [ -e "$complete" ] || make_user tests "$access_key" "$secret_key"
    runs client.rgw || radosgw --name client.rgw
    eventually 60 signed "$endpoint/"
    [ -e "$complete" ] || make_bucket
    touch "$complete"
    settings
}

settings() {
    printf '%s\n' "S3_ENDPOINT=$endpoint" "S3_BUCKET_NAME=$bucket" "S3_ACCESS_KEY=$access_key" \
        "S3_SECRET_KEY=$secret_key" "S3_REGION_NAME=$region"
}

status() {
    local daemon
    for daemon in "${daemons[@]}"; do
        if runs "$daemon"; then echo "$daemon: process $(process_of "$daemon")"; else echo "$daemon: stopped"; fi
    done
}

stop() {
    local index
    for ((index = ${#daemons[@]} - 1; index >= 0; index--)); do
        end "${daemons[index]}"
    done
}

wipe() {
    stop
    rm -rf "$folder"
}

make_monitor() {
    local id
    id=$(cat /proc/sys/kernel/random/uuid)
    mkdir -p "$folder"/{monitor,store,gateway,run,log}
    configure "$id" >"$configuration"
    monmaptool --create --fsid "$id" --addv a "[v2:127.0.0.1:$monitor_port]" "$folder/monitors" >/dev/null
    ceph-mon --id a --mkfs --monmap "$folder/monitors"
}

make_store() {
    local id
    id=$(cat /proc/sys/kernel/random/uuid)
    ceph osd new "$id" >/dev/null
    ceph-osd --id 0 --mkfs --osd-uuid "$id" >>"$folder/log/osd.0.out" 2>&1
}

stranger() {
    make_user stranger stranger strangers-secret-must-not-leak
    printf '%s\n' S3_ACCESS_KEY=stranger S3_SECRET_KEY=strangers-secret-must-not-leak
}

make_user() { # name, key, secret
    timeout 120 radosgw-admin user create --uid "$1" --display-name "$1" \
        --access-key "$2" --secret-key "$3" >/dev/null
}

make_bucket() { # and an object in it, since the first of each makes the gateway create its pools
    signed --request PUT "$endpoint/$bucket"
    signed --request PUT --data-binary first "$endpoint/$bucket/first"
    signed --request DELETE "$endpoint/$bucket/first"
}

signed() {
    curl --silent --show-error --fail --max-time 60 --noproxy '*' --aws-sigv4 "aws:amz:$region:s3" \
        --user "$access_key:$secret_key" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@"
}

store_is_up() {
    [[ $(ceph --connect-timeout 5 osd stat) == *' 1 up'* ]]
}

process_of() {
    cat "$folder/run/$1.pid" 2>/dev/null
}

runs() { # whether the process with the recorded id is really this daemon
    local id
    id=$(process_of "$1") && grep -qszxF "CEPH_ARGS=$CEPH_ARGS" "/proc/$id/environ"
}

end() {
    runs "$1" || return 0
    kill -TERM "$(process_of "$1")"
    eventually 30 stopped "$1" || kill -KILL "$(process_of "$1")"
}

stopped() {
    ! runs "$1"
}

eventually() { # seconds, command: try until it succeeds
    local deadline=$((SECONDS + $1)) said
    shift
    until said=$("$@" 2>&1); do
        [ "$SECONDS" -lt "$deadline" ] || { echo "gave up on: $*; it said: $said; logs: $folder/log" >&2; return 1; }
        sleep 0.1
    done
}

configure() {
    local fast_shutdown=true
    [ "$store" != memstore ] || fast_shutdown=false  # or it would not be written out
    cat <<END
[global]
fsid = $1
mon_host = [v2:127.0.0.1:$monitor_port]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_msgr1 = false
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = /dev/null
run_dir = $folder/run
pid_file = $folder/run/\$name.pid
admin_socket =
log_file = $folder/log/\$name.log
mon_cluster_log_file = $folder/log/cluster.log
crash_dir = $folder/log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
rgw_rados_pool_pg_num_min = 8

[mon]
mon_data = $folder/monitor
mon_data_avail_warn = 1
mon_data_avail_crit = 0
paxos_propose_interval = 0.1
paxos_min_wait = 0.01

[osd]
osd_data = $folder/store
osd_objectstore = $store
osd_fast_shutdown = $fast_shutdown
memstore_device_bytes = 4294967296
bluestore_block_create = true
bluestore_block_size = 10737418240
bluestore_cache_autotune = false
bluestore_cache_size = 67108864

[client.rgw]
rgw_data = $folder/gateway
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_dynamic_resharding = false
# in the default secure mode the gateway cannot fetch its settings, since there are no keys
ms_mon_client_mode = crc
client_mount_timeout = 30

[client.admin]
pid_file =
log_file = $folder/log/admin.log
END
}

main "$@"
