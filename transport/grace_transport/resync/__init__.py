"""Optimistic encoding with dynamic state resync (paper 4.2 and B.1), as two machines over integers (docs/resync.md).

They decide which reference a frame is coded against and how to reach it. The codec driver holds the states."""

from grace_transport.resync.receiver import Action, DecodePlan, ReceiverResync
from grace_transport.resync.sender import KeyFrameForced, Rebased, SenderResync, SenderState, Verdict
from grace_transport.resync.steps import Plan, Retained, Step, StepKind

__all__ = [
    "Action",
    "DecodePlan",
    "KeyFrameForced",
    "Plan",
    "Rebased",
    "ReceiverResync",
    "Retained",
    "SenderResync",
    "SenderState",
    "Step",
    "StepKind",
    "Verdict",
]
