"""Encodes a clip with GRACE, loses every third packet, and shows what each frame is worth without it.

Needs grace-rtc[codec]; run it by `python examples/lossy_clip.py`.
"""

from grace_codec import Budget, ClipOptions, GraceCodec, ReceivedFrame, Reference, open_clip
from grace_codec.evaluation import ssim_db

sender, receiver = GraceCodec.load("grace-lite"), GraceCodec.load("grace-lite")
at_sender: Reference | None = None  # the decoder state that the next frame is predicted from, one for each end
at_receiver: Reference | None = None

with open_clip("builtin:talk", ClipOptions(size=(256, 160), fps=25)) as clip:
    for frame_id in range(6):
        frame = clip.frame(frame_id)
        key = at_sender is None
        coded = sender.encode(frame, at_sender, Budget(20_000 if key else 2_000, max_payload_bytes=300))
        # A key frame needs all of its packets; any other frame decodes from whatever arrived.
        arrived = {i: payload for i, payload in enumerate(coded.payloads) if key or i % 3 != 2}
        received = ReceivedFrame(frame_id, key, len(coded.payloads), arrived)
        decoded = receiver.decode(received, at_receiver)
        at_receiver = decoded.reference
        # In a call the receiver reports which packets it decoded from. The sender replays them, reaches the same state
        # as the receiver, and predicts the next frame from it: no key frame, and no error that grows.
        at_sender = coded.reference if at_sender is None else sender.replay(received, at_sender)
        assert decoded.frame is not None
        quality = ssim_db(frame.y, decoded.frame.y)
        print(f"frame {frame_id}: {len(arrived)} of {len(coded.payloads)} packets arrived, SSIM {quality:.1f} dB")
