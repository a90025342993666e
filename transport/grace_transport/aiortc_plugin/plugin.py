"""Installs GRACE into aiortc, and takes it out again. Owns which names are replaced by what.

Every replacement does its own part for GRACE streams and calls the original for everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grace_transport.aiortc_plugin.contract import Stream
from grace_transport.aiortc_plugin.descriptions import all_codecs, hide, shown
from grace_transport.aiortc_plugin.ends import PluginError, find_identity, find_receiver, find_sender
from grace_transport.aiortc_plugin.negotiation import (
    Extended,
    codec_capability,
    codec_entry,
    extension_entry,
    fits,
    is_grace,
    sole_entry,
)
from grace_transport.aiortc_plugin.options import RtcOptions
from grace_transport.aiortc_plugin.patches import Patches
from grace_transport.aiortc_plugin.receiving import NoDecoder, Receiving
from grace_transport.aiortc_plugin.routes import Routes
from grace_transport.aiortc_plugin.sending import Sending, usable_parameters
from grace_transport.aiortc_plugin.stats import extend
from grace_transport.aiortc_plugin.version import check_aiortc
from grace_transport.congestion import find_controller
from grace_transport.wire.rtp import TRANSPORT_SEQ_URI

if TYPE_CHECKING:
    from aiortc import RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
    from aiortc.codecs.base import Decoder
    from aiortc.rtcrtpparameters import (
        RTCRtpCapabilities,
        RTCRtpCodecCapability,
        RTCRtpCodecParameters,
        RTCRtpReceiveParameters,
        RTCRtpSendParameters,
    )
    from aiortc.rtp import AnyRtcpPacket
    from aiortc.stats import RTCStatsReport

__all__ = ["PluginError", "capability", "install", "installed", "uninstall"]

_routes = Routes()
_plugin: _Plugin | None = None


def install(options: RtcOptions | None = None) -> None:
    """Let aiortc offer and use GRACE from now on. Again with other options: they hold for streams that begin later.

    Raises PluginError for an aiortc that was not tested or a scheme that cannot be used, ValueError for options."""
    global _plugin  # noqa: PLW0603
    options = options or (_plugin.options if _plugin else RtcOptions())
    if _plugin is not None and _plugin.options == options:
        return
    plugin = _Plugin(options)  # what cannot be is said before anything is touched
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
    return _plugin is not None


def capability() -> RTCRtpCodecCapability:
    """For `setCodecPreferences`. Raises PluginError where the plug-in is not installed.

    `getCapabilities` does not list it: whoever takes his preferences from there means the codecs of browsers."""
    if _plugin is None:
        raise PluginError("the plug-in is not installed: call grace_transport.aiortc_plugin.install() first")
    return codec_capability(_plugin.codec)


class _Plugin:
    """One installation."""

    def __init__(self, options: RtcOptions) -> None:
        check_aiortc()
        from aiortc import codecs

        self.options = options
        self._open_sender, self._open_receiver = find_sender(options), find_receiver(options)
        find_controller(options.controller)(
            start_bps=options.start_bps,
            min_bps=options.min_bps,
            max_bps=options.max_bps,
            loss_control=options.loss_control,
        )
        self._identity = find_identity(options)(options.scheme)
        self.codec = codec_entry(self._identity, [row for rows in codecs.CODECS.values() for row in rows])
        self._extension = extension_entry(codecs.HEADER_EXTENSIONS)
        self._patches = Patches()

    def restore(self) -> None:
        self._patches.restore()

    def apply(self) -> None:
        try:
            self._describe()
            self._negotiate()
            self._send()
            self._receive()
            self._route()
        except BaseException:
            self.restore()
            raise

    def _describe(self) -> None:
        from aiortc import rtcpeerconnection
        from aiortc.sdp import MediaDescription, SessionDescription

        parse, text = SessionDescription.parse, MediaDescription.__str__
        common = rtcpeerconnection.find_common_codecs

        def grace_parse(cls: type[SessionDescription], sdp: str) -> SessionDescription:
            return hide(parse.__func__(cls, sdp))  # type: ignore[attr-defined]

        def grace_text(media: MediaDescription) -> str:
            return text(shown(media))

        def grace_common(
            local: list[RTCRtpCodecParameters], remote: list[RTCRtpCodecParameters]
        ) -> list[RTCRtpCodecParameters]:
            return sole_entry(common(local, all_codecs(remote)))

        self._patches.replace(SessionDescription, "parse", classmethod(grace_parse))
        self._patches.replace(MediaDescription, "__str__", grace_text)
        self._patches.replace(rtcpeerconnection, "find_common_codecs", grace_common)

    def _negotiate(self) -> None:
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
        from aiortc import RTCRtpSender

        send, run_rtp, get_stats = RTCRtpSender.send, RTCRtpSender._run_rtp, RTCRtpSender.getStats

        async def grace_send(sender: RTCRtpSender, parameters: RTCRtpSendParameters) -> None:
            await send(sender, usable_parameters(parameters))

        async def grace_run_rtp(sender: RTCRtpSender, codec: RTCRtpCodecParameters) -> None:
            if is_grace(codec):
                sending = Sending(sender, codec, _routes)
                await sending.run(self._open_sender, self.options, self._identity.profile)
            else:
                await run_rtp(sender, codec)

        async def grace_get_stats(sender: RTCRtpSender) -> RTCStatsReport:
            report = await get_stats(sender)
            sending = _routes.sender(sender.transport, sender._ssrc)
            return extend(report, "outbound-rtp", sending.stats() if sending is not None else None)

        self._patches.replace(RTCRtpSender, "send", grace_send)
        self._patches.replace(RTCRtpSender, "_run_rtp", grace_run_rtp)
        self._patches.replace(RTCRtpSender, "getStats", grace_get_stats)

    def _receive(self) -> None:
        from aiortc import RTCRtpReceiver, rtcrtpreceiver
        from aiortc.codecs import get_decoder
        from aiortc.rtp import RtcpByePacket

        receive, stop, get_stats = RTCRtpReceiver.receive, RTCRtpReceiver.stop, RTCRtpReceiver.getStats
        disconnect, rtcp_packet = RTCRtpReceiver._handle_disconnect, RTCRtpReceiver._handle_rtcp_packet

        async def grace_receive(receiver: RTCRtpReceiver, parameters: RTCRtpReceiveParameters) -> None:
            await receive(receiver, parameters)
            self._expect(receiver, parameters)

        async def grace_stop(receiver: RTCRtpReceiver) -> None:
            receiving = _routes.remove_receiving(receiver)
            await stop(receiver)
            if receiving is not None:
                await receiving.close()

        def grace_disconnect(receiver: RTCRtpReceiver) -> None:
            disconnect(receiver)
            if (receiving := _routes.receiving(receiver)) is not None:
                receiving.close_soon()

        async def grace_rtcp_packet(receiver: RTCRtpReceiver, packet: AnyRtcpPacket) -> None:
            await rtcp_packet(receiver, packet)
            if isinstance(packet, RtcpByePacket) and (receiving := _routes.receiving(receiver)) is not None:
                receiving.close_soon()

        async def grace_get_stats(receiver: RTCRtpReceiver) -> RTCStatsReport:
            report = await get_stats(receiver)
            receiving = _routes.receiving(receiver)
            return extend(report, "inbound-rtp", receiving.stats() if receiving is not None else None)

        def grace_get_decoder(codec: RTCRtpCodecParameters) -> Decoder | NoDecoder:
            return NoDecoder() if is_grace(codec) else get_decoder(codec)

        self._patches.replace(rtcrtpreceiver, "get_decoder", grace_get_decoder)
        self._patches.replace(RTCRtpReceiver, "receive", grace_receive)
        self._patches.replace(RTCRtpReceiver, "stop", grace_stop)
        self._patches.replace(RTCRtpReceiver, "getStats", grace_get_stats)
        self._patches.replace(RTCRtpReceiver, "_handle_disconnect", grace_disconnect)
        self._patches.replace(RTCRtpReceiver, "_handle_rtcp_packet", grace_rtcp_packet)

    def _route(self) -> None:
        from aiortc import RTCDtlsTransport

        rtp_data, rtcp_data = RTCDtlsTransport._handle_rtp_data, RTCDtlsTransport._handle_rtcp_data

        async def grace_rtp_data(transport: RTCDtlsTransport, data: bytes, arrival_time_ms: int) -> None:
            if not _routes.take_rtp(transport, data):
                await rtp_data(transport, data, arrival_time_ms=arrival_time_ms)

        async def grace_rtcp_data(transport: RTCDtlsTransport, data: bytes) -> None:
            if rest := _routes.take_rtcp(transport, data):
                await rtcp_data(transport, rest)

        self._patches.replace(RTCDtlsTransport, "_handle_rtp_data", grace_rtp_data)
        self._patches.replace(RTCDtlsTransport, "_handle_rtcp_data", grace_rtcp_data)

    def _expect(self, receiver: RTCRtpReceiver, parameters: RTCRtpReceiveParameters) -> None:
        """A description was agreed on: be ready for the GRACE stream in it, if there is one."""
        codec = next((codec for codec in parameters.codecs if is_grace(codec)), None)
        if codec is None or codec.payloadType is None:
            return
        told = (row.ssrc for row in parameters.encodings if row.payloadType == codec.payloadType)
        ssrc = next(told, None)
        before = _routes.receiving(receiver)
        if before is not None:
            if before.serves(ssrc):
                return
            before.close_soon()
        extension = next((row.id for row in parameters.headerExtensions if row.uri == TRANSPORT_SEQ_URI), 0)
        stream = Stream(0, codec.payloadType, extension, profile=self._identity.profile)
        first = parameters.codecs[0] is codec  # else the peer will send another one, as far as can be told
        receiving = Receiving(receiver, stream, ssrc if first else None, self._open_receiver, self.options)
        _routes.add_receiving(receiver.transport, receiver, receiving)
