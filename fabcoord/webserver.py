"""Runs the web application in gunicorn: one process, a thread for each request."""

from __future__ import annotations

import ctypes
import signal
import threading
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication

from fabcoord.config import Settings

_THREADS_FOR_REQUESTS = 64
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # of malloc.h


class WebServer(BaseApplication):  # type: ignore[misc]
    """The lab's web server; `run` returns when it was told to stop."""

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self._lab_settings, self._host, self._port = settings, host, port
        super().__init__()

    def load_config(self) -> None:
        address = f"[{self._host}]" if ":" in self._host else self._host
        options = {
            "bind": f"{address}:{self._port}",
            "workers": 1,
            "worker_class": "gthread",
            # Streams and long polls hold a thread each; what is left answers requests.
            "threads": _THREADS_FOR_REQUESTS + self._lab_settings.max_streams,
            "timeout": 120,
            "graceful_timeout": 4,
            "keepalive": 15,
            "preload_app": False,
            "control_socket_disable": True,
            "post_worker_init": _post_worker_init,
            "accesslog": None,
            "loglevel": "warning",
            "proc_name": "fabcoord-web",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in the worker process: the arbiter need not carry it."""
        from fabcoord.app import create_app, start_background

        _give_memory_back()
        app = create_app(self._lab_settings)
        start_background(app)
        return app


def _give_memory_back() -> None:
    """Have glibc return the buffers of bodies to the system.

    Each thread that ever received a large body would keep some megabytes of it: the allocator
    gives threads heaps of their own, and learns from large buffers to keep them (mallopt(3)).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other libraries, like musl's, have no such habits
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 128 << 10)


def _post_worker_init(worker: Any) -> None:
    """When the worker is told to stop, end event streams and long polls at once."""
    hub = worker.wsgi.extensions["fabcoord"].store.hub
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        before = signal.getsignal(number)

        def stop(signal_number: int, frame: FrameType | None, before: Any = before) -> None:
            # The handler runs between two instructions of the main thread, which may hold the
            # hub's lock: a thread of its own does not wait for itself.
            threading.Thread(target=hub.close, daemon=True).start()
            if callable(before):
                before(signal_number, frame)

        signal.signal(number, stop)


def main(settings: Settings, host: str, port: int) -> None:
    """Serve until SIGTERM."""
    WebServer(settings, host, port).run()
