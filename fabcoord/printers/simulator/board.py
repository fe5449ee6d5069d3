"""What the simulated board holds, and what it says when it starts."""

RX_BUFFER_BYTES = 128
QUEUE_SLOTS = 4
LINE_CHARS = 95  # MAX_CMD_SIZE less one: what is longer is cut
BANNER = (
    "start",
    "echo:Marlin 2.1.2.5",
    "echo: Last Updated: 2024-12-01 | Author: (fabcoord simulator)",
    "echo: Free Memory: 4523  PlannerBufferBytes: 1280",
    "echo:SD card ok",
)
BOOT_S = 1.0
