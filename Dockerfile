# The gateway as an image: small, without root, one volume. docs/operations.md, "In a container".
#
#   docker build -t gateway .
#   docker run -p 127.0.0.1:5000:5000 -v gateway:/var/lib/gateway gateway

# The build compiles for the image's architecture, and runs on the builder's own.
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig ./
COPY src src
# `gateway version` prints it after the plus: --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT
ARG TARGETARCH
RUN --mount=type=cache,target=/packages \
    NUGET_PACKAGES=/packages dotnet publish src/Gateway -c Release -a $TARGETARCH -o /app \
    -p:UseAppHost=false -p:SourceRevisionId=$COMMIT
RUN mkdir /volume

FROM mcr.microsoft.com/dotnet/aspnet:10.0
COPY --from=build /app /app
COPY deploy/image/gateway /usr/local/bin/gateway
COPY deploy/image/gateway.yaml /etc/gateway/gateway.yaml
COPY --from=build --chown=$APP_UID:$APP_UID /volume /var/lib/gateway
ENV GATEWAY__STORAGE__PATH=/var/lib/gateway \
    DOTNET_EnableDiagnostics=0
USER $APP_UID
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
EXPOSE 5000
# Each check takes 0.2 s of processor time; on a busy machine it takes much longer, which is not a fault.
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --start-interval=1s CMD ["gateway", "health"]
LABEL org.opencontainers.image.title="Gateway" org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["gateway"]
CMD ["serve"]
