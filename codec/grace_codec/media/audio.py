"""Sound beside the frames: taken out of a source as it is, and put beside video that is written. Knows no sample."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grace_codec.media.opening import open_container

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream


def extract_audio(source: str, start_s: float, duration_s: float | None) -> IO[bytes] | None:
    """The sound of a file, its packets unchanged, as Matroska in a temporary file; None where there is none.

    `start_s`: what becomes 0, on the clock of the container. Damaged sound ends early."""
    import av

    with open_container(source, None) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            return None
        file = tempfile.NamedTemporaryFile(prefix="grace-audio-", suffix=".mka")  # noqa: SIM115, the caller closes it
        end_s = float("inf") if duration_s is None else start_s + duration_s
        try:
            with av.open(file.name, "w", format="matroska") as out:
                copy = out.add_stream_from_template(stream)
                for packet in container.demux(stream):
                    if packet.pts is None or packet.time_base is None:
                        continue
                    at_s = float(packet.pts * packet.time_base)
                    if at_s >= end_s:
                        break
                    if at_s >= start_s:
                        packet.pts -= round(start_s / packet.time_base)
                        packet.dts = packet.pts
                        packet.stream = copy
                        out.mux(packet)
        except (av.FFmpegError, ValueError, OSError):
            return file if Path(file.name).stat().st_size else None
        return file


class AudioTrack:
    """The sound of a file as a stream of `out`, copied where its format can hold it, otherwise coded anew."""

    def __init__(self, path: str, out: av.container.OutputContainer, offset_s: float = 0.0) -> None:
        """`offset_s`: what becomes 0."""
        import av

        self._container = open_container(path, None)
        self._source: AudioStream = self._container.streams.audio[0]
        self._out, self._offset_s = out, offset_s
        name = self._source.codec_context.name
        self._resampler: av.AudioResampler | None = None
        if name in out.supported_codecs:
            self._stream: AudioStream = out.add_stream_from_template(self._source)
        else:
            opus = out.format.name == "webm"
            rate = 48_000 if opus else self._source.codec_context.sample_rate
            layout = self._source.codec_context.layout.name
            self._stream = out.add_stream("libopus" if opus else "aac", rate=rate, layout=layout)
            self._resampler = av.AudioResampler(self._stream.codec_context.format, self._stream.layout, rate)
        self._packets = self._shifted()
        self._next = next(self._packets, None)

    def write_until(self, at_s: float) -> None:
        """Mux everything before `at_s`."""
        while self._next is not None and self._time_s(self._next) < at_s:
            if self._resampler is None:
                self._next.stream = self._stream
                self._out.mux(self._next)
            else:
                self._transcode(self._next)
            self._next = next(self._packets, None)

    def close(self) -> None:
        if self._resampler is not None:
            for frame in self._resampler.resample(None):
                self._out.mux(self._stream.encode(frame))
            self._out.mux(self._stream.encode(None))
        self._container.close()

    def _shifted(self) -> Iterator[av.Packet[AudioStream]]:
        for packet in self._container.demux(self._source):
            if packet.pts is None or packet.time_base is None:
                continue
            packet.pts -= round(self._offset_s / packet.time_base)
            packet.dts = packet.pts
            if packet.pts >= 0:
                yield packet

    def _transcode(self, packet: av.Packet[AudioStream]) -> None:
        assert self._resampler is not None
        for decoded in packet.decode():
            for frame in self._resampler.resample(decoded):
                self._out.mux(self._stream.encode(frame))

    @staticmethod
    def _time_s(packet: av.Packet[AudioStream]) -> float:
        assert packet.pts is not None
        assert packet.time_base is not None
        return float(packet.pts * packet.time_base)
