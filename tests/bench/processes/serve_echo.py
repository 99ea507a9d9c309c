"""The floor: FastAPI and uvicorn with nothing but a dictionary of sockets: serve_echo.py PORT."""

from __future__ import annotations

import json
import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
sockets: dict[str, WebSocket] = {}


@app.websocket("/ws/{id}")
async def echo(socket: WebSocket, id: str) -> None:
    await socket.accept()
    sockets[id] = socket
    try:
        while True:
            text = await socket.receive_text()
            await sockets[json.loads(text)["to"]].send_text(text)
    except WebSocketDisconnect:
        del sockets[id]


if __name__ == "__main__":
    port = int(sys.argv[1])
    print(f"http://127.0.0.1:{port}/", flush=True)
    uvicorn.run(
        app,
        port=port,
        log_level="error",
        ws="websockets-sansio",
        ws_max_size=65536,
        ws_per_message_deflate=False,
    )
