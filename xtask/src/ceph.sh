# Lays out and starts a Ceph of one monitor, one OSD in memory and one S3 gateway, on loopback alone.
# xtask/src/store.rs runs this in a folder that has the ceph.conf.
#
# All of it runs until our end of standard input is closed, which happens whatever ends us. Then the
# process group is killed, ourselves included. The daemons' output goes to files: a pipe that nobody
# reads would stop them.
set -u
ACCESS_KEY=$1
SECRET_KEY=$2
MONITOR=$3
FSID=5d10de00-0000-4000-8000-000000000001
OSD=5d10de00-0000-4000-8000-000000000002
export CEPH_CONF="$PWD/ceph.conf"

start() (
    set -e
    monmaptool --create --addv a "[v1:$MONITOR]" --fsid "$FSID" monmap
    ceph-mon -i a --mkfs --monmap monmap
    ceph-mon -i a -f >mon.log 2>&1 &
    ceph --connect-timeout 30 osd new "$OSD"
    ceph-osd -i 0 --mkfs --osd-uuid "$OSD"
    # It ends where it asks the monitor for something before it has been told the cluster's id: once in
    # ten times.
    (until ceph-osd -i 0 -f; do sleep 0.2; done) >osd.log 2>&1 &
    # It makes the gateway's pools as well, so the gateway comes after it.
    timeout 60 radosgw-admin user create --uid=diode --display-name=diode \
        --access-key="$ACCESS_KEY" --secret-key="$SECRET_KEY"
    radosgw -n client.rgw -f >gateway.log 2>&1 &
)

(start >start.log 2>&1 && : >started || : >failed) </dev/null &
read -r _
kill -9 0
