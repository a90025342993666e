"""Runs one call of each scheme over an emulated LTE uplink in virtual time, and prints what the viewer got.

Needs grace-rtc[codec,lab]; run it by `python examples/lab_run.py`.
"""

from pathlib import Path

from grace_lab import CallRequest, call_matrix, run_call

like = CallRequest(scheme="", video="builtin:talk", trace="", size=(192, 128), seconds=2, owd_ms=50, loss=0.05)

print(f"{'scheme':12}{'SSIM dB':>9}{'P98 delay ms':>14}{'not shown':>11}")
for request in call_matrix(["grace-lite", "x264"], ["builtin:talk"], ["lte-1"], like):
    # With a folder, the whole log of the call is kept: `grace-rtc lab report` draws it.
    row = run_call(request, Path("runs/example"))
    print(f"{row['scheme']:12}{row['ssim_db']:>9}{row['p98_delay_ms']:>14}{row['non_rendered_ratio']:>11}")
