"""The HTTP session under octorest: time limits, size limits, path prefixes, plain errors."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from fabcoord.errors import BadInput, PrinterError, PrinterOffline

_ANSWER_BYTES = 4 << 20
_ERROR_TEXT_CHARS = 200


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """How long one request may take."""

    connect_s: float = 5.0  # also the longest pause while sending
    read_s: float = 30.0  # the longest pause while waiting for the answer
    total_s: float = 40.0  # from the end of sending to the end of the answer


class Refused(PrinterError):
    """OctoPrint answered with an HTTP error; ``http_status`` says which."""

    def __init__(self, detail: str, http_status: int, *, hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.http_status = http_status


class PrefixSession(requests.Session):
    """A session that sends every request below the address it was made for.

    octorest cuts the path off its address, so that ``http://host/printer3`` would reach another
    OctoPrint than the one meant; it sets no time limit, follows redirects with the API key in hand
    and keeps connections alive, which OctoPrint then resets (OctoPrint#4764).

    Raises PrinterOffline when there is no answer, Refused for an HTTP error, PrinterError for an
    answer that cannot be one of OctoPrint's.
    """

    def __init__(self, url: str, api_key: str, limits: TimeLimits) -> None:
        super().__init__()
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(
                "The address of OctoPrint is not one.",
                hint="Write it as in a browser, for example http://octopi.local.",
            )
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.where = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        self._base = self.origin + parts.path.rstrip("/")
        self._api_key = api_key
        self._limits = limits
        self.trust_env = False  # ~/.netrc and proxies are for the internet, not for printers
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.headers.update(
            {
                "X-Api-Key": api_key,
                "Connection": "close",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "fabcoord",
            }
        )

    def request(  # type: ignore[override]
        self, method: str, url: str, **options: Any
    ) -> requests.Response:
        """As `requests.Session.request`, for addresses that octorest made."""
        target = self._base + url.removeprefix(self.origin)
        options.setdefault("timeout", (self._limits.connect_s, self._limits.read_s))
        options |= {"allow_redirects": False, "stream": True}
        retries = 1 if method == "GET" else 0  # a POST may have arrived although it failed
        while True:
            try:
                response = super().request(method, target, **options)
                self._read(response)
                break
            except requests.Timeout as error:
                raise PrinterOffline(
                    f"OctoPrint at {self.where} does not answer.",
                    hint="Check that it is switched on and on the network.",
                ) from error
            except requests.exceptions.SSLError as error:
                raise PrinterOffline(
                    f"The certificate of OctoPrint at {self.where} is not trusted.",
                    hint="Point REQUESTS_CA_BUNDLE at your lab's certificate authority.",
                ) from error
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                if retries == 0:
                    raise PrinterOffline(
                        f"OctoPrint at {self.where} cannot be reached.",
                        hint="Check that it runs and that the address is right.",
                    ) from error
                retries -= 1
                time.sleep(0.2)
        if not 200 <= response.status_code < 300:
            raise self._refusal(response)
        return response

    def _read(self, response: requests.Response) -> None:
        """Read the whole answer, however slowly and endlessly the other side may send it."""
        deadline = time.monotonic() + self._limits.total_s
        body = bytearray()
        with response:
            while chunk := response.raw.read1(65536, decode_content=True):
                body += chunk
                if len(body) > _ANSWER_BYTES:
                    raise PrinterError(
                        f"{self.where} sent far more than OctoPrint would.",
                        hint="Check that the address is that of an OctoPrint.",
                    )
                if time.monotonic() > deadline:
                    raise requests.ReadTimeout
        response._content = bytes(body)

    def _refusal(self, response: requests.Response) -> PrinterError:
        status = response.status_code
        if status in (401, 403):
            return Refused(
                f"OctoPrint at {self.where} refuses the API key.",
                status,
                hint="Make a key in OctoPrint under Settings, Application Keys, and enter it here.",
            )
        if 300 <= status < 400:
            return Refused(
                f"{self.where} sends us on to another address.",
                status,
                hint="Enter the address that the browser shows in the end.",
            )
        if status in (502, 503, 504):
            return PrinterOffline(
                f"OctoPrint at {self.where} is starting or down.", hint="Try again in a minute."
            )
        said = self._said(response)
        return Refused(f"OctoPrint at {self.where} answered {status}{said}.", status)

    def _said(self, response: requests.Response) -> str:
        try:
            answer = response.json()
        except ValueError:
            return ""
        text = answer.get("error") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            return ""
        text = " ".join(text.replace(self._api_key, "…").split())
        return f": {text[:_ERROR_TEXT_CHARS].rstrip('.')}"
