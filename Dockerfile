# One image for all processes of RAWE. `rawe` is a multi-call program: every process name is a link
# to it, so `docker run rawe consensus-engine --help` works. No BuildKit needed.

FROM rust:1.95-slim-bookworm AS build
# SQLite and the TLS library are built from C sources.
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin rawe

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /data rawe \
 && mkdir /data \
 && chown rawe:rawe /data
COPY --from=build /src/target/release/rawe /usr/local/bin/rawe
RUN for name in alpha-aggressor conservative-guardian flux-follower topological-observer \
        balanced-arbitrator rawe-agent consensus-engine market-feed paper-exchange; do \
      ln -s rawe "/usr/local/bin/$name"; \
    done
USER rawe
# The consensus engine's journal; mount a volume here.
WORKDIR /data
VOLUME /data
ENV RAWE_LOG_FORMAT=json
CMD ["rawe", "--help"]
