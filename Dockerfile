# CPU image of grace-rtc: the lab and everything a call needs.
FROM python:3.11-slim
WORKDIR /grace-rtc
COPY pyproject.toml README.md LICENSE ./
COPY codec codec
COPY transport transport
COPY sender sender
COPY receiver receiver
COPY netsim netsim
COPY traces traces
RUN pip install --no-cache-dir '.[codec,lab]'
ENTRYPOINT ["grace-rtc"]
CMD ["--help"]
