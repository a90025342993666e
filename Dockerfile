# grace-rtc: the lab and everything a call needs. For CPUs; docker-compose.gpu.yml makes one for GPUs of it.
FROM python:3.11-slim
ARG EXTRAS=codec,rtc,lab
ARG WITHOUT=
WORKDIR /grace-rtc
COPY pyproject.toml README.md LICENSE ./
COPY codec codec
COPY transport transport
COPY sender sender
COPY receiver receiver
COPY netsim netsim
COPY lab lab
COPY app app
COPY traces traces
RUN pip install --no-cache-dir ".[$EXTRAS]" && for package in $WITHOUT; do pip uninstall --yes "$package"; done
ENTRYPOINT ["grace-rtc"]
CMD ["--help"]
