# resource-proxy in a container: no build tools, no root, works on a read-only file system.
#   docker build -t resource-proxy .
#   docker run -p 8080:8080 -v ./config:/etc/resource-proxy:ro -e CITY_PASSWORD resource-proxy
ARG PYTHON_VERSION=3.13
FROM docker.io/library/python:${PYTHON_VERSION}-slim AS build
ARG EXTRAS=[redis]
WORKDIR /src
RUN python -m venv /opt/proxy
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
RUN /opt/proxy/bin/pip install --no-cache-dir --no-compile ".${EXTRAS}" \
    && /opt/proxy/bin/pip uninstall -y pip \
    && find /opt/proxy -depth \( -name __pycache__ -o -name tests \) -type d -exec rm -rf {} +

FROM docker.io/library/python:${PYTHON_VERSION}-slim
LABEL org.opencontainers.image.title="resource-proxy" \
      org.opencontainers.image.description="Authenticating reverse proxy for web maps with secured ArcGIS services" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/proxy /opt/proxy
ENV PATH=/opt/proxy/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RESOURCE_PROXY_CONFIG=/etc/resource-proxy/proxy.yaml
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["resource-proxy"]
CMD ["serve"]
