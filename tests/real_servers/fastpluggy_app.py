"""FastPluggy with its websocket tool, both as published: `uvicorn fastpluggy_app:app`.

The published pair does not fit together: the tool's administration page imports widgets under names that have since
moved into the core, so that the whole plugin is left out. Here they get their old names back; not a line of what
serves WebSocket or REST is touched.
"""

import importlib
import sys
from types import ModuleType

from fastapi import FastAPI

CORE = "fastpluggy.core.widgets.categories"
MOVED = "fastpluggy_plugin.ui_tools.extra_widget"


def give_old_names_back():
    debug = importlib.import_module(f"{CORE}.data.debug")
    debug.DebugView = debug.DebugWidget
    for package in ("", ".display", ".layout"):
        module = sys.modules[MOVED + package] = ModuleType(MOVED + package)
        module.__path__ = []
    for module in ("display.alert", "display.card", "display.code", "layout.grid"):
        sys.modules[f"{MOVED}.{module}"] = importlib.import_module(f"{CORE}.{module}")


give_old_names_back()

from fastpluggy.fastpluggy import FastPluggy  # noqa: E402: needs the old names
from fastpluggy_plugin.websocket_tool.schema.ws_message import WebSocketMessage  # noqa: E402

app = FastAPI()
pluggy = FastPluggy(app)
manager = FastPluggy.get_global("ws_manager")


async def seen(client_id, data):
    """What an application that wants its pings answered would register. Without a client id everybody is told."""
    manager.notify(WebSocketMessage(type="app.seen", content=data["meta"]["ping_id"]), client_id)


manager.register_handler("app.pong", seen)
