"""A window that shows frames. Owns the window; knows no call. Used on the event loop's thread alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from grace_receiver.errors import DisplayError

if TYPE_CHECKING:
    import av
    import pygame

_LARGEST: Final = (1280, 720)
_BLIND: Final = ("offscreen", "dummy")  # SDL's last resorts
_NO_SCREEN: Final = "no screen to show video on ({}); leave --show out, or record with --record OUT.mp4"


class Window:
    """Opens with the first frame. `closed` once the person in front of it has had enough."""

    def __init__(self, title: str) -> None:
        """DisplayError where there is no library or no screen."""
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # Ctrl-C is ours
        try:
            import pygame
        except ImportError as error:
            raise DisplayError("--show needs a window: pip install 'grace-rtc[show]'") from error
        self._pygame = pygame
        try:
            pygame.display.init()
            driver = pygame.display.get_driver()
        except pygame.error as error:
            raise DisplayError(_NO_SCREEN.format(error)) from error
        if driver in _BLIND and os.environ.get("SDL_VIDEODRIVER") != driver:
            pygame.display.quit()
            raise DisplayError(_NO_SCREEN.format(f"SDL found only {driver!r}"))
        self._title = title
        self._surface: pygame.Surface | None = None
        self.closed = False

    def show(self, video: av.VideoFrame) -> None:
        """Draw a frame, scaled into the window."""
        if self.closed:
            return
        pygame = self._pygame
        surface = self._surface or self._open(video.width, video.height)
        width, height = _fitted(video.width, video.height, surface.get_size())
        pixels = video.reformat(width, height, format="rgb24")
        image = pygame.image.frombuffer(pixels.to_ndarray().tobytes(), (width, height), "RGB")
        surface.fill((0, 0, 0))
        surface.blit(image, ((surface.get_width() - width) // 2, (surface.get_height() - height) // 2))
        pygame.display.flip()

    def poll(self) -> None:
        """Let the window live: call it several times a second."""
        for event in self._pygame.event.get() if self._surface is not None else ():
            escape = event.type == self._pygame.KEYDOWN and event.key in (self._pygame.K_ESCAPE, self._pygame.K_q)
            self.closed = self.closed or escape or event.type == self._pygame.QUIT

    def close(self) -> None:
        self.closed = True
        self._pygame.display.quit()

    def _open(self, width: int, height: int) -> pygame.Surface:
        size = _fitted(width, height, _LARGEST) if width > _LARGEST[0] or height > _LARGEST[1] else (width, height)
        self._surface = self._pygame.display.set_mode(size, self._pygame.RESIZABLE)
        self._pygame.display.set_caption(self._title)
        return self._surface


def _fitted(width: int, height: int, into: tuple[int, int]) -> tuple[int, int]:
    """The largest size of this shape that fits, 2 px a side at least."""
    scale = min(into[0] / width, into[1] / height)
    return max(2, round(width * scale)), max(2, round(height * scale))
