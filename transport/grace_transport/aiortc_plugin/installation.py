"""Installs GRACE into aiortc, and takes it out again. Owns which names are replaced by what, and who may do so.

Every replacement does its own part for GRACE streams and calls the original for everything else.
"""

from __future__ import annotations

import logging
import re
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from grace_transport.aiortc_plugin import internals
from grace_transport.aiortc_plugin.contract import FindIdentity, OpenReceiver, OpenSender, RtcOptions, Stream
from grace_transport.aiortc_plugin.negotiation import (
    Extended,
    all_codecs,
    codec_capability,
    codec_entry,
    extension_entry,
    fits,
    hide,
    is_grace,
    packet_codec,
    shown,
    sole_entry,
    usable_parameters,
)
from grace_transport.aiortc_plugin.routes import Routes
from grace_transport.aiortc_plugin.stats import extend
from grace_transport.aiortc_plugin.streams import IncomingStream, NoDecoder, OutgoingStream, PacketsError
from grace_transport.congestion import find_controller
from grace_transport.errors import TransportError
from grace_transport.wire.rtp import TRANSPORT_SEQ_URI

if TYPE_CHECKING:
    from aiortc import RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
    from aiortc.codecs.base import Decoder
    from aiortc.rtcrtpparameters import (
        RTCRtpCapabilities,
        RTCRtpCodecCapability,
        RTCRtpCodecParameters,
        RTCRtpHeaderExtensionParameters,
        RTCRtpReceiveParameters,
        RTCRtpSendParameters,
    )
    from aiortc.rtp import AnyRtcpPacket
    from aiortc.sdp import MediaDescription, SessionDescription
    from aiortc.stats import RTCStatsReport

TESTED = ((1, 15), (1, 17))  # versions of aiortc: from the first, up to but without the second
GROUP = "grace_rtc.live"  # entry points `sender`, `receiver` and `identity`


class PluginError(TransportError):
    """The plug-in cannot be installed here; the text says why, and what to do."""


_logger = logging.getLogger(__name__)
_routes = Routes()
_plugin: _Plugin | None = None


def install(options: RtcOptions | None = None) -> None:
    """Let aiortc offer and use GRACE from now on. Other options than before hold for streams that begin later.

    Raises PluginError for an aiortc that was not tested or a scheme that cannot be used, and ValueError for options;
    nothing is replaced then."""
    global _plugin  # noqa: PLW0603
    options = options or (_plugin.options if _plugin else RtcOptions())
    if _plugin is not None and _plugin.options == options:
        return
    plugin = _Plugin(options)  # raises before anything is touched
    if _plugin is not None:
        _plugin.restore()
    plugin.apply()
    _plugin = plugin


def uninstall() -> None:
    """Put everything back, and end the GRACE streams that still run: nobody else could carry them on."""
    global _plugin  # noqa: PLW0603
    if _plugin is None:
        return
    _plugin.restore()
    _plugin = None
    for stream in _routes.all():
        stream.stop()
    _routes.clear()


def installed() -> bool:
    """Whether `install` was called, and `uninstall` not since."""
    return _plugin is not None


def capability() -> RTCRtpCodecCapability:
    """GRACE's entry for `setCodecPreferences`. Raises PluginError where the plug-in is not installed.

    `getCapabilities` does not list it: who takes preferences from there means the codecs of browsers."""
    if _plugin is None:
        raise PluginError("the plug-in is not installed: call grace_transport.aiortc_plugin.install() first")
    return codec_capability(_plugin.codec)


def check_aiortc() -> str:
    """The installed version of aiortc. Raises PluginError if there is none, or one that was not tested.

    The plug-in replaces private names, which may change with any version."""
    try:
        found = version("aiortc")
    except PackageNotFoundError:
        raise PluginError("aiortc is not installed: pip install 'grace-rtc[rtc]'") from None
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or not TESTED[0] <= (int(numbers[1]), int(numbers[2])) < TESTED[1]:
        first, beyond = (".".join(map(str, bound)) for bound in TESTED)
        raise PluginError(
            f"aiortc {found} was not tested with this plug-in, which replaces private parts of it: "
            f"pip install 'aiortc>={first},<{beyond}'"
        )
    return found


def find_end(name: str) -> Any:
    """The object behind an entry point of `GROUP`: transport must not import sender, receiver or codec itself.

    Raises PluginError where there is none, or where what it needs is not installed."""
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise PluginError(
            f"nothing is registered as {name!r} in the entry-point group {GROUP!r}: "
            "install grace-rtc again (pip install -e . in a checkout), or name it in RtcOptions"
        )
    try:
        return found[0].load()
    except ImportError as error:
        raise PluginError(f"{found[0].value} cannot be loaded ({error}): pip install 'grace-rtc[codec,rtc]'") from error


class _Patches:
    """Replaces attributes of modules and classes, and puts the very same objects back."""

    def __init__(self) -> None:
        self._originals: list[tuple[object, str, Any]] = []  # in the order in which they were replaced

    def replace(self, owner: object, name: str, value: Any) -> None:
        """Raises AttributeError where there is nothing to replace."""
        self._originals.append((owner, name, vars(owner)[name] if name in vars(owner) else getattr(owner, name)))
        setattr(owner, name, value)

    def restore(self) -> None:
        """Put everything back, the last replacement first."""
        while self._originals:
            owner, name, value = self._originals.pop()
            setattr(owner, name, value)


class _Plugin:
    """One installation: the options, the ends, and what was replaced."""

    def __init__(self, options: RtcOptions) -> None:
        check_aiortc()
        from aiortc import codecs

        self.options = options
        self._open_sender = options.open_sender or cast(OpenSender, find_end("sender"))
        self._open_receiver = options.open_receiver or cast(OpenReceiver, find_end("receiver"))
        # Streams make their own controllers; this one only finds out whether the options make sense.
        find_controller(options.controller)(
            start_bps=options.start_bps,
            min_bps=options.min_bps,
            max_bps=options.max_bps,
            loss_control=options.loss_control,
        )
        self._identity = (options.identity or cast(FindIdentity, find_end("identity")))(options.scheme)
        self.codec = codec_entry(self._identity, [row for rows in codecs.CODECS.values() for row in rows])
        self._extension = extension_entry(codecs.HEADER_EXTENSIONS)
        self._agreed_codecs: WeakKeyDictionary[RTCRtpSender, list[RTCRtpCodecParameters]] = WeakKeyDictionary()
        self._patches = _Patches()

    def restore(self) -> None:
        """Leave aiortc as it was."""
        self._patches.restore()

    def apply(self) -> None:
        """Make all replacements, or none if one of them fails."""
        try:
            self._describe()
            self._negotiate()
            self._send()
            self._receive()
            self._end_streams()
            self._route()
        except BaseException:
            self.restore()
            raise

    def _describe(self) -> None:
        """Parsed descriptions hide GRACE from the application; their text and what is negotiated have it."""
        from aiortc import rtcpeerconnection
        from aiortc.sdp import MediaDescription, SessionDescription

        parse, text = SessionDescription.parse, MediaDescription.__str__
        common = rtcpeerconnection.find_common_codecs
        common_extensions = rtcpeerconnection.find_common_header_extensions
        agreed = False

        def grace_parse(cls: type[SessionDescription], sdp: str) -> SessionDescription:
            return hide(parse.__func__(cls, sdp))  # type: ignore[attr-defined]

        def grace_text(media: MediaDescription) -> str:
            return text(shown(media))

        def grace_common(
            local: list[RTCRtpCodecParameters], remote: list[RTCRtpCodecParameters]
        ) -> list[RTCRtpCodecParameters]:
            nonlocal agreed
            found = sole_entry(common(local, all_codecs(remote)))
            agreed = any(is_grace(codec) for codec in found)
            return found

        def grace_common_extensions(
            local: list[RTCRtpHeaderExtensionParameters], remote: list[RTCRtpHeaderExtensionParameters]
        ) -> list[RTCRtpHeaderExtensionParameters]:
            """aiortc agrees on the extensions of a medium right after its codecs: without GRACE ours is not granted."""
            found = common_extensions(local, remote)
            return found if agreed else [row for row in found if row.uri != TRANSPORT_SEQ_URI]

        self._patches.replace(SessionDescription, "parse", classmethod(grace_parse))
        self._patches.replace(MediaDescription, "__str__", grace_text)
        self._patches.replace(rtcpeerconnection, "find_common_codecs", grace_common)
        self._patches.replace(rtcpeerconnection, "find_common_header_extensions", grace_common_extensions)

    def _negotiate(self) -> None:
        """Peer connections offer GRACE first, and agree on it with a peer whose entry fits."""
        from aiortc import codecs, rtcpeerconnection, rtcrtptransceiver

        compatible, capabilities = rtcpeerconnection.is_codec_compatible, codecs.get_capabilities

        def is_codec_compatible(a: RTCRtpCodecParameters, b: RTCRtpCodecParameters) -> bool:
            if is_grace(a) and is_grace(b):
                return fits(a, b)
            return compatible(a, b)

        def get_capabilities(kind: str) -> RTCRtpCapabilities:
            found = capabilities(kind)
            if kind == "video":
                found.codecs.insert(0, codec_capability(self.codec))
            return found

        replace = self._patches.replace
        replace(rtcpeerconnection, "CODECS", Extended(codecs.CODECS, before=[self.codec]))
        replace(rtcpeerconnection, "HEADER_EXTENSIONS", Extended(codecs.HEADER_EXTENSIONS, after=[self._extension]))
        replace(rtcpeerconnection, "is_codec_compatible", is_codec_compatible)
        replace(rtcrtptransceiver, "get_capabilities", get_capabilities)

    def _send(self) -> None:
        """An RTCRtpSender whose codec is GRACE runs an `OutgoingStream`."""
        from aiortc import RTCRtpSender

        send, get_stats = RTCRtpSender.send, RTCRtpSender.getStats
        run_rtp = getattr(RTCRtpSender, internals.SENDER_RUN)

        async def grace_send(sender: RTCRtpSender, parameters: RTCRtpSendParameters) -> None:
            usable = usable_parameters(parameters)
            self._agreed_codecs[sender] = usable.codecs
            await send(sender, usable)

        async def grace_run_rtp(sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> None:
            if is_grace(codec):
                try:
                    await self._run(OutgoingStream(sender, codec), sender)
                    return
                except PacketsError as error:
                    codec = packet_codec(self._agreed_codecs[sender], error.codec_name)
                    _logger.warning("%s, which GRACE cannot pass on: sending %s", error, codec.name)
            await run_rtp(sender, codec)

        async def grace_get_stats(sender: RTCRtpSender) -> RTCStatsReport:
            report = await get_stats(sender)
            stream = _routes.outgoing(sender.transport, internals.sender_ssrc(sender))
            return extend(report, "outbound-rtp", stream.stats() if stream is not None else None)

        self._patches.replace(RTCRtpSender, "send", grace_send)
        self._patches.replace(RTCRtpSender, internals.SENDER_RUN, grace_run_rtp)
        self._patches.replace(RTCRtpSender, "getStats", grace_get_stats)

    def _receive(self) -> None:
        """An RTCRtpReceiver that may get GRACE has an `IncomingStream`, and no decoder of aiortc's."""
        from aiortc import RTCRtpReceiver, rtcrtpreceiver
        from aiortc.codecs import get_decoder

        receive, get_stats = RTCRtpReceiver.receive, RTCRtpReceiver.getStats

        async def grace_receive(receiver: RTCRtpReceiver, parameters: RTCRtpReceiveParameters) -> None:
            await receive(receiver, parameters)
            self._expect(receiver, parameters)

        async def grace_get_stats(receiver: RTCRtpReceiver) -> RTCStatsReport:
            report = await get_stats(receiver)
            stream = _routes.incoming(receiver)
            return extend(report, "inbound-rtp", stream.stats() if stream is not None else None)

        def grace_get_decoder(codec: RTCRtpCodecParameters) -> Decoder | NoDecoder:
            return NoDecoder() if is_grace(codec) else get_decoder(codec)

        self._patches.replace(rtcrtpreceiver, "get_decoder", grace_get_decoder)
        self._patches.replace(RTCRtpReceiver, "receive", grace_receive)
        self._patches.replace(RTCRtpReceiver, "getStats", grace_get_stats)

    def _end_streams(self) -> None:
        """An `IncomingStream` ends with its receiver: by stop, disconnection, or a BYE (RFC 3550 section 6.6)."""
        from aiortc import RTCRtpReceiver
        from aiortc.rtp import RtcpByePacket

        stop = RTCRtpReceiver.stop
        disconnect = getattr(RTCRtpReceiver, internals.RECEIVER_DISCONNECT)
        rtcp_packet = getattr(RTCRtpReceiver, internals.RECEIVER_RTCP)

        async def grace_stop(receiver: RTCRtpReceiver) -> None:
            stream = _routes.remove_incoming(receiver)
            await stop(receiver)
            if stream is not None:
                await stream.close()

        def grace_disconnect(receiver: RTCRtpReceiver) -> None:
            disconnect(receiver)
            if (stream := _routes.incoming(receiver)) is not None:
                stream.close_soon()

        async def grace_rtcp_packet(receiver: RTCRtpReceiver, packet: AnyRtcpPacket) -> None:
            await rtcp_packet(receiver, packet)
            if isinstance(packet, RtcpByePacket) and (stream := _routes.incoming(receiver)) is not None:
                stream.close_soon()

        self._patches.replace(RTCRtpReceiver, "stop", grace_stop)
        self._patches.replace(RTCRtpReceiver, internals.RECEIVER_DISCONNECT, grace_disconnect)
        self._patches.replace(RTCRtpReceiver, internals.RECEIVER_RTCP, grace_rtcp_packet)

    def _route(self) -> None:
        """Datagrams of a transport are looked over before aiortc's parsers see them."""
        from aiortc import RTCDtlsTransport

        rtp_data = getattr(RTCDtlsTransport, internals.TRANSPORT_RTP)
        rtcp_data = getattr(RTCDtlsTransport, internals.TRANSPORT_RTCP)

        async def grace_rtp_data(transport: RTCDtlsTransport, data: bytes, arrival_time_ms: int) -> None:
            if not _routes.take_rtp(transport, data):
                await rtp_data(transport, data, arrival_time_ms=arrival_time_ms)

        async def grace_rtcp_data(transport: RTCDtlsTransport, data: bytes) -> None:
            if rest := _routes.take_rtcp(transport, data):
                await rtcp_data(transport, rest)

        self._patches.replace(RTCDtlsTransport, internals.TRANSPORT_RTP, grace_rtp_data)
        self._patches.replace(RTCDtlsTransport, internals.TRANSPORT_RTCP, grace_rtcp_data)

    # -- streams -------------------------------------------------------------------------------------------------------

    async def _run(self, stream: OutgoingStream, sender: RTCRtpSender) -> None:
        """Feedback finds the stream as long as it runs."""
        transport, ssrc = sender.transport, internals.sender_ssrc(sender)
        _routes.add_outgoing(transport, ssrc, stream)
        try:
            await stream.run(self._open_sender, self.options, self._identity.profile)
        finally:
            _routes.remove_outgoing(transport, ssrc)

    def _expect(self, receiver: RTCRtpReceiver, parameters: RTCRtpReceiveParameters) -> None:
        """A description was agreed on: be ready for the GRACE stream in it, if there is one."""
        codec = next((codec for codec in parameters.codecs if is_grace(codec)), None)
        if codec is None or codec.payloadType is None:
            return
        ssrc = next((row.ssrc for row in parameters.encodings if row.payloadType == codec.payloadType), None)
        before = _routes.incoming(receiver)
        if before is not None:
            if before.serves(ssrc):
                return
            before.close_soon()
        extension = next((row.id for row in parameters.headerExtensions if row.uri == TRANSPORT_SEQ_URI), 0)
        stream = Stream(0, codec.payloadType, extension, profile=self._identity.profile)
        if parameters.codecs[0] is not codec:
            ssrc = None  # the peer will most likely send its first codec: open nothing before a packet comes
        incoming = IncomingStream(receiver, stream, ssrc, self._open_receiver, self.options)
        _routes.add_incoming(receiver.transport, receiver, incoming)
