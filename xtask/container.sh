#!/usr/bin/env bash
# Builds the image from the Dockerfile and sees it at work: with a read-only root file system, as a
# user without rights, against the demo's platform double. Needs podman, and the network for what
# the build downloads. Not part of `cargo xtask test`.
#
# Where the registry of the base images cannot be reached, stand-ins are made under the same names:
# by debootstrap (which needs root), and with this machine's Rust toolchain.
#
# Everything is kept in target/xtask/container, in an image store of its own; a second run takes
# the base images from there.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly RUNTIME_BASE=docker.io/library/debian:12-slim
readonly BUILDER_BASE=docker.io/library/rust:1.95-bookworm
readonly IMAGE=localhost/diode-import:xtask
readonly LEDGER=diode-import-xtask-ledger
readonly CONFIG=/opt/opencti-connector-diode-import/config.yml
readonly HOST_AUTHORITIES=/usr/local/host-authorities.crt
readonly SAMPLE=tests/fixtures/conformance/dependencies/input/01.json

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
readonly target
readonly work=$target/xtask/container
readonly store=$work/store

# Our own store, so that stand-ins never pass for the real base images elsewhere.
readonly engine=(podman --root "$store" --runroot "$work/run" --tmpdir "$work/tmp")

# How the image is run in every check: podman, unlike docker, would mount a /tmp that can be
# written, and the program has to do without.
readonly confined=(--read-only --read-only-tmpfs=false --cap-drop=all
    --security-opt=no-new-privileges --network=host)
readonly run=("${engine[@]}" run --rm "${confined[@]}")

say() { echo "container: $*"; }

fail() {
    say "FAILED: $*" >&2
    exit 1
}

# What this machine lacks says nothing about the image: neither passed nor failed.
cannot() {
    say "CANNOT RUN HERE: $*" >&2
    exit 77
}

main() {
    command -v podman >/dev/null ||
        cannot "podman is missing (Debian: apt-get install --no-install-recommends podman runc)"
    mkdir -p "$work"
    trap leave EXIT
    configure_engine
    provide_bases
    build
    check_version
    check_authorities
    check_sample
    check_wrong_configuration
    check_configuration_file
    check_stop
    check_demo
    say "all checks passed; the image is $(image_size), most of it its base ($(base_kind))"
}

# The engine mounts its store onto itself, and then nobody could remove it.
leave() {
    "${engine[@]}" rm --all --force >/dev/null 2>&1 || true
    umount "$store/overlay" 2>/dev/null || true
}

# Without systemd, podman needs to be told how to do without; and in a container or a sandbox it
# may not raise limits.
configure_engine() {
    [[ -d /run/systemd/system ]] && return
    cat >"$work/containers.conf" <<'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
CONF
    export CONTAINERS_CONF=$work/containers.conf
    say "no systemd here: podman is run with cgroupfs and runc"
}

provide_bases() {
    if "${engine[@]}" image exists "$RUNTIME_BASE" &&
        "${engine[@]}" image exists "$BUILDER_BASE"; then
        say "base images: those of an earlier run ($(base_kind))"
    elif pull "$RUNTIME_BASE" && pull "$BUILDER_BASE"; then
        echo "from the registry" >"$work/bases"
        say "base images: pulled"
    else
        say "base images: the registry cannot be reached; making stand-ins"
        make_bases
        echo "a stand-in made by debootstrap" >"$work/bases"
    fi
}

pull() { timeout 600 "${engine[@]}" pull --quiet "$1" >"$work/pull.log" 2>&1; }

base_kind() { cat "$work/bases"; }

make_bases() {
    [[ $(id -u) == 0 ]] || cannot "no registry, and debootstrap needs root"
    command -v debootstrap >/dev/null || cannot "no registry, and debootstrap is missing"
    local root=$work/debian
    rm -rf "$root"
    debootstrap --variant=minbase bookworm "$root" \
        >"$work/debootstrap.log" 2>&1 || fail "debootstrap: see $work/debootstrap.log"
    tar --create --directory "$root" --exclude=./var/cache/apt --exclude=./var/lib/apt/lists \
        --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale . |
        "${engine[@]}" import --quiet --change 'CMD ["bash"]' - "$RUNTIME_BASE" >/dev/null
    rm -rf "$root"
    # The toolchain itself is mounted while the image is built: see `build`.
    "${engine[@]}" build --isolation=chroot --pull=never --tag "$BUILDER_BASE" - <<CONTAINERFILE \
        >"$work/builder.log" 2>&1 || fail "the stand-in for the builder: see $work/builder.log"
FROM $RUNTIME_BASE
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev
ENV CARGO_HOME=/usr/local/cargo CARGO_HTTP_CAINFO=$HOST_AUTHORITIES
ENV PATH=/usr/local/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin
CONTAINERFILE
}

build() {
    local mounts=()
    if [[ $(base_kind) == a\ stand-in* ]]; then
        # Whoever is cut off from the registry may well be behind a proxy with a certificate of its
        # own, which this machine trusts. The image must not come to trust it, only cargo.
        mounts=(--volume "$(rustc --print sysroot):/usr/local/rust:ro"
            --volume "/etc/ssl/certs/ca-certificates.crt:$HOST_AUTHORITIES:ro")
    fi
    say "building the image; the log is $work/build.log"
    "${engine[@]}" build --isolation=chroot --pull=never "${mounts[@]}" --tag "$IMAGE" . \
        >"$work/build.log" 2>&1 || fail "the build: see $work/build.log"
    local user
    user=$("${engine[@]}" image inspect --format '{{.Config.User}}' "$IMAGE")
    [[ $user == 10001:10001 ]] || fail "the image runs as '$user'"
    say "ok: built, $(image_size), user $user"
}

image_size() {
    "${engine[@]}" image inspect --format '{{.Size}}' "$IMAGE" |
        awk '{ printf "%.0f MB", $1 / 1e6 }'
}

# Runs a command that has to end with this code and say this.
expect() {
    local what=$1 code=$2 words=$3 got=0
    shift 3
    "$@" >"$work/output.log" 2>&1 || got=$?
    if [[ $got != "$code" ]] || ! grep -qF -- "$words" "$work/output.log"; then
        cat "$work/output.log" >&2
        fail "$what: exit code $got instead of $code, or without the words '$words'"
    fi
    say "ok: $what (exit code $code)"
}

check_version() {
    expect "--version" 0 "diode-import " "${run[@]}" "$IMAGE" --version
}

# The base has none, neither the real one nor the stand-in.
check_authorities() {
    expect "certificate authorities" 0 "BEGIN CERTIFICATE" \
        "${run[@]}" --entrypoint head "$IMAGE" --lines=1 /etc/ssl/certs/ca-certificates.crt
}

check_sample() {
    expect "check of a sample" 0 "sample.json" \
        "${run[@]}" --volume "$PWD/$SAMPLE:/sample.json:ro" "$IMAGE" check /sample.json
}

check_wrong_configuration() {
    expect "a run without settings" 2 "OPENCTI_URL" "${run[@]}" "$IMAGE"
}

# A config.yml mounted where the Python connector's image has it is read.
check_configuration_file() {
    printf 'opencti:\n  ssl_verify: [perhaps]\n' >"$work/config.yml"
    expect "a wrong config.yml" 2 "ssl_verify" \
        "${run[@]}" --volume "$work/config.yml:$CONFIG:ro" "$IMAGE"
}

# The program is process 1, which gets no signal that it does not handle.
check_stop() {
    local name=diode-import-xtask-stop
    "${engine[@]}" rm --force --ignore "$name" >/dev/null
    "${engine[@]}" run --detach --name "$name" "${confined[@]}" \
        --env OPENCTI_URL=http://127.0.0.1:9 --env OPENCTI_TOKEN=none \
        --env CONNECTOR_ID=0b9a7c54-6d1e-4f7a-8a39-2f5d8c1e7b60 \
        --env DIODE_IMPORT_GET_FROM_DIRECTORY_PATH=/var/lib/diode-import/inbox \
        "$IMAGE" >/dev/null
    wait_for_words "$name" 127.0.0.1
    local started=$SECONDS code
    "${engine[@]}" stop --time 10 "$name" >/dev/null
    code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' "$name")
    [[ $code == 0 ]] || fail "stopping: exit code $code after $((SECONDS - started)) s"
    say "ok: leaves when told to, within $((SECONDS - started + 1)) s (exit code 0)"
}

wait_for_words() {
    local name=$1 words=$2 deadline=$((SECONDS + 30))
    until "${engine[@]}" logs "$name" 2>&1 | grep -F -- "$words" >/dev/null; do
        ((SECONDS < deadline)) || fail "$name does not say '$words' within 30 s"
        sleep 0.2
    done
}

# The demo runs whatever DIODE_IMPORT_BIN names: here a script that runs the image.
check_demo() {
    "${engine[@]}" volume rm --force "$LEDGER" >/dev/null
    write_stand_in "$work/diode-import"
    DIODE_IMPORT_BIN=$work/diode-import \
        cargo run --quiet --package tests --bin demo >"$work/demo.log" 2>&1 ||
        { cat "$work/demo.log" >&2; fail "the demo with the image"; }
    sed 's/^/    /' "$work/demo.log"
    "${engine[@]}" volume inspect "$LEDGER" --format '{{.Mountpoint}}' |
        { read -r volume && compgen -G "$volume/*" >/dev/null; } ||
        fail "no ledger in the volume"
    say "ok: the demo, imported by a container whose root is read-only and whose ledger is a volume"
}

# The demo clears the environment of what it starts, and keeps its folder to itself.
write_stand_in() {
    cat >"$1" <<STANDIN
#!/bin/bash
export PATH='$PATH' CONTAINERS_CONF='${CONTAINERS_CONF:-}' HOME='$HOME'
[[ \$CONTAINERS_CONF ]] || unset CONTAINERS_CONF
inbox=\$DIODE_IMPORT_GET_FROM_DIRECTORY_PATH
unset DIODE_IMPORT_STATE_PATH
export DIODE_IMPORT_GET_FROM_DIRECTORY_PATH=/data/diode
chmod 777 "\$inbox"
exec ${run[*]@Q} \\
    --env='OPENCTI_*' --env='CONNECTOR_*' --env='DIODE_IMPORT_*' \\
    --volume "\$inbox:/data/diode" --volume '$LEDGER:/var/lib/diode-import' '$IMAGE' "\$@"
STANDIN
    chmod +x "$1"
}

main
