# The program is built with the whole toolchain, and shipped with nothing but a C library and the
# certificate authorities: docker build --tag diode-import .

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches only save time: a builder that forgets them builds the same.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release --package diode-import \
    && install -D target/release/diode-import /out/diode-import

FROM docker.io/library/debian:12-slim
LABEL org.opencontainers.image.title="diode-import" \
      org.opencontainers.image.description="Imports OpenCTI envelopes that crossed an air gap" \
      org.opencontainers.image.licenses="Apache-2.0"

# Open to every user, so that the ledger can be kept whoever `--user` says that we are. A new named
# volume takes over owner and mode.
RUN install --directory --owner=10001 --group=10001 --mode=1777 /var/lib/diode-import

COPY LICENSE /usr/share/doc/diode-import/LICENSE
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/diode-import /usr/local/bin/diode-import

# STATE_DIRECTORY is the default of DIODE_IMPORT_STATE_PATH, so config.yml can still overrule it.
# SQLite gets the only place that can be written when the root file system is read-only.
# The C library would keep more memory the larger the blocks that it has given back, and more again
# with each thread; tests/tests/whole_program/faults_many.rs measures with the same values.
ENV STATE_DIRECTORY=/var/lib/diode-import \
    SQLITE_TMPDIR=/var/lib/diode-import \
    MALLOC_MMAP_THRESHOLD_=131072 \
    MALLOC_TRIM_THRESHOLD_=131072
VOLUME /var/lib/diode-import

# Where the Python connector's image has its config.yml, so that what mounts one there finds us.
WORKDIR /opt/opencti-connector-diode-import
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/diode-import"]
