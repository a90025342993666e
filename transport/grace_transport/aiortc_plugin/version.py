"""Which aiortc the plug-in may be installed into: it replaces private names, so only versions it was tested with."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from grace_transport.aiortc_plugin.ends import PluginError

TESTED = ((1, 15), (1, 17))  # from the first, up to but without the second


def check_aiortc() -> str:
    """The installed version. Raises PluginError if there is none, or one that was not tested."""
    try:
        found = version("aiortc")
    except PackageNotFoundError:
        raise PluginError("aiortc is not installed: pip install 'grace-rtc[rtc]'") from None
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if numbers is None or not TESTED[0] <= (int(numbers[1]), int(numbers[2])) < TESTED[1]:
        first, beyond = (".".join(map(str, bound)) for bound in TESTED)
        raise PluginError(
            f"aiortc {found} was not tested with this plug-in, which replaces private parts of it: "
            f"pip install 'aiortc>={first},<{beyond}'"
        )
    return found
