# howfar on a CPU, from a wheel of this checkout:
#   docker build -t howfar .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/here" howfar compare roads site-a --out run
FROM python:3.11-slim AS wheel
RUN pip install --no-cache-dir build
COPY pyproject.toml README.md LICENSE /source/
COPY src /source/src
RUN python -m build --wheel --outdir /wheels /source

FROM python:3.11-slim
# PyTorch's index of builds without CUDA, which its installation page names, makes the image several gigabytes smaller.
ARG TORCH_INDEX=""
# Extras, such as [train] or [train,hub].
ARG EXTRAS=""
COPY --from=wheel /wheels /wheels
RUN if [ -n "$TORCH_INDEX" ]; then pip install --no-cache-dir --index-url "$TORCH_INDEX" torch torchvision; fi \
 && pip install --no-cache-dir "$(ls /wheels/*.whl)$EXTRAS" && rm -r /wheels
# Features and settings of whoever runs it, below the mounted folder.
ENV HOWFAR_STORE=/here/.howfar HOME=/tmp
WORKDIR /here
ENTRYPOINT ["howfar"]
CMD ["--help"]
