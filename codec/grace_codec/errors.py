"""Exceptions of the codec.

CodecError
+-- ModelError        weights missing, damaged, or of another model or version
+-- BitstreamError    a file that is not a GRACE stream, or a damaged one (packets from peers never raise)
+-- BackendError      an inference backend that cannot run here
+-- ClipError         a video that cannot be read, or is of a size that cannot be coded
"""


class CodecError(Exception):
    """Anything the codec raises on purpose."""


class ModelError(CodecError):
    """Weights are missing, damaged, or belong to another model or version."""


class BitstreamError(CodecError):
    """A file is not a GRACE stream, or is damaged."""


class BackendError(CodecError):
    """An inference backend cannot run on this machine."""


class ClipError(CodecError):
    """A video cannot be read, or its size, part or rate cannot be coded."""
