"""Property tests count examples, not milliseconds: machines are slow and shared."""

from hypothesis import settings

settings.register_profile("grace", deadline=None)
settings.load_profile("grace")
