"""The messages over HTTP: offer, answer and error. Owns their form and limits; refuses to know what an SDP means."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

MAX_SDP_CHARS: Final = 65_536  # a browser's offer with every codec it has is about 8,000
MAX_BODY_BYTES: Final = 2 * MAX_SDP_CHARS  # JSON escapes each line's end
SESSION_PATTERN: Final = r"^[A-Za-z0-9_-]{8,64}$"

Sdp = Annotated[str, StringConstraints(min_length=4, max_length=MAX_SDP_CHARS, pattern=r"^v=0\r?\n")]
SessionId = Annotated[str, StringConstraints(pattern=SESSION_PATTERN)]

M = TypeVar("M", bound=BaseModel)


class Offer(BaseModel):
    """The body of `POST /offer`. All candidates are in the SDP; an offer for a session that exists restarts it."""

    model_config = ConfigDict(frozen=True)

    sdp: Sdp
    type: Literal["offer"] = "offer"
    session: SessionId


class Answer(BaseModel):
    """The reply to an offer."""

    model_config = ConfigDict(frozen=True)

    sdp: Sdp
    type: Literal["answer"] = "answer"


class Fault(BaseModel):
    """The body of every reply with a status other than 2xx: what is wrong, where, and what to do next."""

    model_config = ConfigDict(frozen=True)

    error: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


def read_message(model: type[M], body: bytes) -> M:
    """Parse a message of the peer's. Raises ValueError with one line that says what is wrong and repeats no input."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise ValueError(f"{model.__name__.lower()} {where}: {first['msg']}"[:500]) from error
