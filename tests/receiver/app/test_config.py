from __future__ import annotations

import pytest

from grace_receiver.app.config import ReceiveConfig
from grace_transport.runtime.settings import load_settings


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRACE_RECEIVE_LISTEN", "127.0.0.1:9000")
    monkeypatch.setenv("GRACE_RECEIVE_ONCE", "true")
    config = load_settings(ReceiveConfig, {})
    assert (config.listen, config.once, config.plain) == ("127.0.0.1:9000", True, False)


@pytest.mark.parametrize("listen", ["8080", "a:b", "::1:80", "x:99999"])
def test_wrong_address_says_what_to_write(listen: str) -> None:
    with pytest.raises(ValueError, match="--listen: "):
        load_settings(ReceiveConfig, {"listen": listen})
