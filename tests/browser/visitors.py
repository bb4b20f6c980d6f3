"""A visitor without a browser: speaks to the app's server as Streamlit's own page does, so that many of them load it and not this side.

Knows Streamlit's messages and no page of ours; what an answer should be is left to those who send visitors.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE_S = 120
COOKIE = "_streamlit_xsrf"


@dataclass
class Shown:
    """What a run of the page's script put on the page."""

    headings: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    widgets: dict[str, str] = field(default_factory=dict)
    """The id of each widget by its kind and label: "slider: Sure enough from"."""


class Visitor:
    """One session; `open`, then `give` pictures and `move` sliders. Widgets keep their values until they are changed."""

    def __init__(self, url: str, language: str = "en-GB"):
        self._url, self._language = url, language
        self._states: dict[str, Any] = {}
        self._session, self._open = "", ExitStack()
        self.shown = Shown()

    def __enter__(self) -> Visitor:
        with urllib.request.urlopen(f"{self._url}/_stcore/health", timeout=PATIENCE_S) as response:
            cookies = SimpleCookie(response.headers.get("Set-Cookie"))
            self._token = cookies[COOKIE].value
        self._headers = {"Cookie": f"{COOKIE}={self._token}", "Origin": self._url}
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        wishes = {"subprotocols": ["streamlit", self._token], "additional_headers": self._headers, "max_size": None, "open_timeout": PATIENCE_S}
        # Subtle: a ping draws from Python's common generator, in a thread, while another test of the process may train by it.
        self._line = self._open.enter_context(connect(address, ping_interval=None, **wishes))
        self.shown = self._run()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def give(self, uploader: str, name: str, content: bytes) -> Shown:
        """Uploads one picture by the field of this label, in the place of those before, and reads the page."""
        asked = BackMsg()
        asked.file_urls_request.request_id = str(uuid.uuid4())
        asked.file_urls_request.file_names.append(name)
        asked.file_urls_request.session_id = self._session
        self._line.send(asked.SerializeToString())
        urls = self._next("file_urls_response").file_urls_response.file_urls[0]
        self._put(self._url + urls.upload_url, name, content)
        state = self._state(f"file_uploader: {uploader}")
        state.ClearField("file_uploader_state_value")
        file = state.file_uploader_state_value.uploaded_file_info.add(name=name, size=len(content), file_id=urls.file_id)
        file.file_urls.CopyFrom(urls)
        self.shown = self._run()
        return self.shown

    def move(self, slider: str, value: float) -> Shown:
        """Sets a slider, by its label, and reads the page."""
        state = self._state(f"slider: {slider}")
        state.double_array_value.data[:] = [value]
        self.shown = self._run()
        return self.shown

    def _state(self, widget: str) -> Any:
        id_ = self.shown.widgets[widget]
        return self._states.setdefault(widget, BackMsg().rerun_script.widget_states.widgets.add(id=id_))

    def _put(self, url: str, name: str, content: bytes) -> None:
        border = uuid.uuid4().hex
        head = f'--{border}\r\nContent-Disposition: form-data; name="file"; filename={json.dumps(name)}\r\nContent-Type: image/png\r\n\r\n'
        body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
        headers = self._headers | {"Content-Type": f"multipart/form-data; boundary={border}", "X-Xsrftoken": self._token}
        urllib.request.urlopen(urllib.request.Request(url, body, headers, method="PUT"), timeout=PATIENCE_S).close()

    def _run(self) -> Shown:
        asked = BackMsg()
        asked.rerun_script.context_info.locale = self._language
        asked.rerun_script.widget_states.widgets.extend(self._states.values())
        self._line.send(asked.SerializeToString())
        shown, page = Shown(), {}
        while True:
            message = self._next()
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._session, page = message.new_session.initialize.session_id or self._session, {}
            elif kind == "delta":
                _place(page, tuple(message.metadata.delta_path), message.delta)
            elif kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                break
        for element in page.values():
            _read(element, shown)
        return shown

    def _next(self, kind: str | None = None) -> ForwardMsg:
        while True:
            message = ForwardMsg.FromString(self._line.recv(timeout=PATIENCE_S))
            if kind is None or message.WhichOneof("type") == kind:
                return message


def _place(page: dict[tuple, Any], path: tuple[int, ...], delta: Any) -> None:
    """What is put in a place takes the place of what stood there, and of all within."""
    for inner in [one for one in page if one[: len(path)] == path]:
        if delta.WhichOneof("type") == "new_element" or inner == path:
            del page[inner]
    if delta.WhichOneof("type") == "new_element":
        page[path] = delta.new_element


def _read(element: Any, shown: Shown) -> None:
    kind = element.WhichOneof("type")
    if kind is None:
        return
    part = getattr(element, kind)
    if kind == "heading":
        shown.headings.append(part.body)
    elif kind == "markdown":
        shown.texts.append(part.body)
    elif kind == "exception" or (kind == "alert" and part.format == part.ERROR):
        shown.errors.append(part.message if kind == "exception" else part.body)
    if id_ := getattr(part, "id", ""):
        shown.widgets.setdefault(f"{kind}: {getattr(part, 'label', '')}", id_)
