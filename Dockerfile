# A Quorate member. Settings come from the environment (PATRONI_RAFT_*, QUORATE_*), from flags, or
# from Patroni's own file: docker run … quorate run /etc/patroni/patroni.yml
FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --include=dev --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:22-slim
LABEL org.opencontainers.image.title="quorate" \
      org.opencontainers.image.licenses="MIT"
WORKDIR /opt/quorate
COPY --from=build /build/package.json /build/LICENSE ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/bin ./bin
COPY --from=build /build/dist/src ./dist/src
COPY --from=build /build/dist/protocol ./dist/protocol
RUN ln -s /opt/quorate/bin/quorate.js /usr/local/bin/quorate \
 && install -d -o node -g node -m 0700 /var/lib/quorate
USER node
ENV NODE_ENV=production \
    PATRONI_RAFT_DATA_DIR=/var/lib/quorate \
    QUORATE_HTTP=0.0.0.0:8008
VOLUME /var/lib/quorate
# Raft, and HTTP for status and health.
EXPOSE 2222 8008
# SIGTERM lets the member hand over leadership and write its files.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8008/health').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["quorate"]
CMD ["run"]
