"""The link emulator alone: a constant stream over an LTE trace with bursty loss, and what the queue makes of it.

Needs grace-rtc; run it by `python examples/link_emulation.py`.
"""

from grace_netsim import GilbertElliott, Link, LinkConfig, load_opportunities

link = Link(
    LinkConfig(
        trace=load_opportunities("lte-1"),  # one delivery opportunity of 1504 bytes per line
        delay_us=30_000,
        queue="droptail",
        queue_packets=60,
        stages=(GilbertElliott.of_bursts(mean_loss=0.02, mean_burst_packets=3),),
        seed=1,
    )
)

# The link is a pure machine: time is an argument. A packet of 1200 bytes every 4 ms is 2.4 Mbit/s.
sent_us, delays_ms = dict[bytes, int](), list[float]()
for now_us in range(0, 10_000_000, 1_000):
    link.handle_timer(now_us)
    for packet in link.datagrams_to_send(now_us):
        delays_ms.append((now_us - sent_us[packet]) / 1_000)
    if now_us % 4_000 == 0:
        packet = now_us.to_bytes(8, "big") + bytes(1_192)
        sent_us[packet] = now_us
        link.receive_datagram(packet, now_us)

delays_ms.sort()
print(f"{len(sent_us)} sent, {len(delays_ms)} delivered; delay P50 {delays_ms[len(delays_ms) // 2]:.0f} ms,", end=" ")
print(f"P98 {delays_ms[len(delays_ms) * 98 // 100]:.0f} ms")
