# Runs a command in a Debian root: enter ROOT FOLDER COMMAND...
#
# `unshare --mount` runs this, so that what is mounted here is seen by nobody else, and is gone with
# the last process that is started here, whatever ends it. Several can use one root at a time: nothing
# is written to it. FOLDER is /srv in there.
set -eu
root=$1
folder=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$folder" "$root/srv"
exec chroot "$root" "$@"
