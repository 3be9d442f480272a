# docker build --target cpu --tag harness:cpu .      2 GB; --target cuda: the default wheels of torch bring CUDA
# docker run --rm --user "$(id -u)" -v "$PWD:/work" harness:cpu run --methods cfm-t --shots 10
# docker run --rm --user "$(id -u)" -v "$PWD:/work" --gpus all harness:cuda run --methods cfm --device cuda:0

# Pinned by its full version: dependabot proposes later ones.
FROM python:3.12.12-slim-bookworm AS base
ENV HARNESS_CACHE=/cache \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
# What Open3D and torch load; git names the commit in records of a checkout.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git libegl1 libgl1 libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home harness \
    && install --directory --mode=1777 /cache /work
WORKDIR /work

FROM base AS base-cpu
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch torchvision

FROM base-cpu AS dev
ENV PATH=/home/harness/.local/bin:$PATH
USER harness

FROM base AS source
COPY LICENSE README.md pyproject.toml /src/
COPY harness /src/harness
COPY methods /src/methods
COPY results/leaderboard /src/results/leaderboard
COPY results/published /src/results/published
COPY splits /src/splits

FROM base AS cuda
# Triton compiles with a C compiler.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY --from=source /src /src
RUN pip install '/src[btf]'
USER harness
ENTRYPOINT ["harness"]
CMD ["--help"]

FROM base-cpu AS cpu
COPY --from=source /src /src
RUN pip install '/src[btf]'
USER harness
ENTRYPOINT ["harness"]
CMD ["--help"]
