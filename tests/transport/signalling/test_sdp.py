from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from grace_transport.signalling.sdp import chosen_video_codec

ANSWER = (
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 97\r\na=rtpmap:97 opus/48000/2\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 98 97\r\na=rtpmap:97 VP8/90000\r\na=rtpmap:98 GRACE/90000\r\n"
)


def test_first_of_the_video_section_is_the_one() -> None:
    assert chosen_video_codec(ANSWER) == "GRACE"


def test_refused_or_absent_video_is_none() -> None:
    assert chosen_video_codec(ANSWER.replace("m=video 9", "m=video 0")) == ""
    assert chosen_video_codec("v=0\r\n") == ""


@given(st.text(alphabet="vm=a:rtpideo 0123/\r\nVP8UDTLSAF", max_size=400))
def test_any_text_has_an_answer(text: str) -> None:
    assert isinstance(chosen_video_codec(text), str)
