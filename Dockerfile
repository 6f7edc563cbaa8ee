# Rollcall in a container: docker build -t rollcall .
FROM rust:1.95-bookworm AS build
# For librdkafka, RocksDB (compiled by clang through scripts/cxx, bindings made with libclang) and
# OpenSSL, all linked in.
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang libclang-dev make perl \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --release --bin rollcall

FROM debian:bookworm-slim
# Zoom's and Brevo's certificates are checked against these.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/rollcall --create-home rollcall
COPY --from=build /src/target/release/rollcall /usr/local/bin/rollcall
USER rollcall
WORKDIR /var/lib/rollcall
VOLUME /var/lib/rollcall
EXPOSE 8080 9464
ENTRYPOINT ["rollcall"]
CMD ["run", "--config", "/etc/rollcall/rollcall.yaml"]
