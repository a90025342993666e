from __future__ import annotations

import av
import numpy as np
import pytest

from grace_receiver.app.render import Window, _fitted
from grace_receiver.errors import DisplayError

pygame = pytest.importorskip("pygame")


@pytest.fixture
def _no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


def picture(width: int, height: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 128, np.uint8), format="yuv420p")


@pytest.mark.usefixtures("_no_screen")
def test_window_has_the_size_of_the_first_picture_and_fits_later_ones_in() -> None:
    window = Window("test")
    window.poll()
    window.show(picture(320, 180))
    window.show(picture(64, 64))
    surface = pygame.display.get_surface()
    assert surface.get_size() == (320, 180)
    assert surface.get_at((2, 90))[:3] == (0, 0, 0)  # beside the square one
    assert surface.get_at((160, 90))[1] > 60
    window.close()


@pytest.mark.usefixtures("_no_screen")
@pytest.mark.parametrize("key", ["K_ESCAPE", "K_q", None])
def test_escape_or_closing_the_window_is_noticed(key: str | None) -> None:
    window = Window("test")
    window.show(picture(64, 64))
    event = pygame.QUIT if key is None else pygame.KEYDOWN
    pygame.event.post(pygame.event.Event(event, {} if key is None else {"key": getattr(pygame, key)}))
    window.poll()
    assert window.closed
    window.show(picture(64, 64))
    window.close()


def test_no_screen_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "nothing-of-this-name")
    with pytest.raises(DisplayError, match=r"no screen to show video on .* --record"):
        Window("test")


def test_pictures_fit_whole_and_keep_their_shape() -> None:
    assert _fitted(1920, 1080, (1280, 720)) == (1280, 720)
    assert _fitted(64, 64, (320, 180)) == (180, 180)
    assert _fitted(8000, 2, (320, 180)) == (320, 2)
