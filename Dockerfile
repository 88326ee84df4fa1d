# One image for every node of a cluster: the Ray and the Python that w2vray is tested with, torch, and w2vray.
#
#   docker build -t REGISTRY/w2vray:1 .                             torch of PyPI, which brings CUDA: several GB
#   docker build -t REGISTRY/w2vray:1 --build-arg TORCH_INDEX=URL . torch for CPUs, from the index that torch's own
#                                                                   installation page names: much less
FROM python:3.11-slim

# KubeRay looks with wget whether a node is well. 1000 is the user that Ray's own images have.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 --gid 100 ray

# The large and slow ones first: a change of w2vray's own code leaves these layers as they are.
ARG TORCH_INDEX=""
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.6,<2.14"
RUN pip install --no-cache-dir "ray[data,default,train]==2.60.0"

COPY pyproject.toml README.md LICENSE /source/
COPY w2vray /source/w2vray
RUN pip install --no-cache-dir "/source[gcs,pieces,s3,tables]"

USER ray
WORKDIR /home/ray
