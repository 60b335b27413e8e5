#!/usr/bin/env bash
# Starts an S3 server on loopback: Ceph, as one monitor, one store that keeps objects in memory, and one gateway (radosgw).
#
#   tests/rig/ceph.sh RIG FOLDER PORT MONITOR_PORT
#
# RIG is the folder that tests/rig/install.sh filled, FOLDER an empty one for everything that is written. The
# access key is AKIDTEST, the secret key secretsecretsecret. The server stops when the standard input ends. GATEWAY_CEPH_BYTES is how much
# it can store (4G); memory is used as objects are written, and freed two hours after they are removed.
set -euo pipefail
rig=$1 at=$2 port=$3 monitor=$4
export PATH=$rig/bin:$PATH CEPH_CONF=$at/ceph.conf
libraries=$(find "$rig/s3/usr/lib" -maxdepth 1 -type d -name '*-linux-gnu')
id=11111111-2222-3333-4444-555555555555 store=99999999-2222-3333-4444-555555555555
mkdir -p "$at/mon" "$at/osd" "$at/run"
pids=()
trap '[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null' EXIT

# One copy of each object and few groups of them: one store has them all. tcp_nodelay: a small answer otherwise waits 40 ms for more.
cat >"$CEPH_CONF" <<C
[global]
fsid = $id
mon_host = [v2:127.0.0.1:$monitor/0]
mon_initial_members = a
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
run_dir = $at/run
admin_socket = 
log_file = $at/\$name.log
keyring = $at/keyring
mon_data = $at/mon
osd_data = $at/osd
plugin_dir = $libraries/ceph
erasure_code_dir = $libraries/ceph/erasure-code
osd_class_dir = $libraries/rados-classes
osd_objectstore = memstore
memstore_device_bytes = ${GATEWAY_CEPH_BYTES:-4G}
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_crush_chooseleaf_type = 0
osd_heartbeat_grace = 120
mon_osd_report_timeout = 3600
mon_data_avail_warn = 1
mon_data_avail_crit = 1
[client.rgw]
rgw_data = $at/run
C

exec >"$at/start.out" 2>&1
keys=$at/keyring
ceph-authtool --create-keyring "$keys" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool "$keys" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
ceph-authtool "$keys" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd'
ceph-authtool "$keys" --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
monmaptool --create --clobber --fsid "$id" --addv a "[v2:127.0.0.1:$monitor]" "$at/monmap"
ceph-mon --mkfs -i a --monmap "$at/monmap" --keyring "$keys"
ceph-mon -i a -f >"$at/mon.out" 2>&1 &
pids+=($!)
for _ in $(seq 60); do timeout 10 ceph -s && break; sleep 0.2; done
ceph auth import -i "$keys"
ceph osd new "$store"
ceph-osd -i 0 --mkfs --osd-uuid "$store"
ceph-osd -i 0 -f >"$at/osd.out" 2>&1 &
pids+=($!)
radosgw-admin -n client.rgw user create --uid=test --display-name=test --access-key=AKIDTEST --secret=secretsecretsecret
radosgw -f -n client.rgw --rgw_frontends="beast endpoint=127.0.0.1:$port tcp_nodelay=1" >"$at/rgw.out" 2>&1 &
pids+=($!)

cat >/dev/null
