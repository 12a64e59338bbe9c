# resource-proxy in a container: no build tools, no root, works on a read-only file system without capabilities.
#   docker build -t resource-proxy .
#   docker run -p 8080:8080 -v ./config:/etc/resource-proxy:ro -e CITY_PASSWORD resource-proxy
# What is installed is pinned with hashes (config/requirements*.txt, made by .ci/pin); /opt/proxy/sbom.cdx.json lists it.
ARG PYTHON_VERSION=3.13
FROM docker.io/library/python:${PYTHON_VERSION}-slim AS tools
WORKDIR /src
COPY config/requirements-build.txt config/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r config/requirements-build.txt

# With COMPILE=1 what every request passes is compiled (mypyc): a third less CPU. Without it, or where Debian's packages
# are out of reach, the same modules run in Python, as in most tests; `resource-proxy --version` says which.
FROM tools AS wheel
ARG COMPILE=0
RUN headers=$(python -c 'import os, sysconfig; print(os.path.exists(sysconfig.get_path("include") + "/Python.h"))') \
    && if [ "$COMPILE" = 1 ]; then \
       apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
       $([ "$headers" = True ] || echo python3-dev) >/dev/null || echo "no C compiler: nothing will be compiled"; fi
COPY config/requirements.txt config/
# For their types alone
RUN if [ "$COMPILE" = 1 ]; then \
       /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r config/requirements.txt; fi
COPY pyproject.toml setup.py README.md LICENSE ./
COPY proxy proxy
RUN RESOURCE_PROXY_COMPILE=$(command -v gcc >/dev/null && echo "$COMPILE") LDFLAGS=-s \
    /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM tools AS build
ARG PINS=requirements.txt
COPY config/$PINS config/
RUN python -m venv --without-pip /opt/proxy \
    && /opt/build/bin/pip --python /opt/proxy/bin/python install --no-cache-dir --no-compile --only-binary :all: \
       --require-hashes -r config/$PINS
COPY pyproject.toml ./
COPY --from=wheel /wheels /wheels
RUN /opt/build/bin/pip --python /opt/proxy/bin/python install --no-cache-dir --no-compile --no-deps --no-index /wheels/*.whl \
    && /opt/build/bin/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
       --no-validate --output-file /opt/proxy/sbom.cdx.json /opt/proxy/bin/python \
    && find /opt/proxy -depth -name tests -type d -exec rm -rf {} + \
    && /opt/proxy/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/proxy/lib

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
