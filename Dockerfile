# The image of the command `reaper`. It needs no right to write: run it with `--read-only --cap-drop ALL`.
# `npm run image:check` runs these steps without a container engine.

FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
# The image holds what npm publishes, and the production dependencies of the lock file. `npm pack` builds it first.
RUN npm pack --pack-destination /tmp
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && mkdir /image \
 && tar -xzf /tmp/jobservice-reaper-*.tgz -C /image --strip-components=1 \
 && mv node_modules /image/node_modules \
 && chmod 755 /image/dist/src/cli/main.js

FROM node:22-bookworm-slim
LABEL org.opencontainers.image.title="jobservice-reaper" \
      org.opencontainers.image.description="Supervisor for Redis job queues in the data model of Harbor's jobservice and gocraft/work" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/jobservice-reaper/jobservice-reaper" \
      org.opencontainers.image.base.name="docker.io/library/node:22-bookworm-slim"
# What changes with each build: `docker build --build-arg VERSION=1.2.3 --build-arg REVISION=$(git rev-parse HEAD) .`
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
COPY --from=build /image /opt/jobservice-reaper
RUN ln -s /opt/jobservice-reaper/dist/src/cli/main.js /usr/local/bin/reaper
WORKDIR /opt/jobservice-reaper
# A number, because Kubernetes cannot check that a name is not root. It is the user `node` of the base image.
USER 1000:1000
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/livez').then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["reaper"]
CMD ["run", "--http", "0.0.0.0:9464"]
