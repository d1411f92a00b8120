"""A chat in one process: all clients get what one client sends over its WebSocket."""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

PAGE = """<!doctype html>
<title>Chat</title>
<form><input name="text" autocomplete="off" autofocus> <button>Send</button></form>
<ul></ul>
<script>
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/chat");
  socket.onmessage = (event) => {
    document.querySelector("ul").append(Object.assign(document.createElement("li"), {textContent: event.data}));
  };
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    socket.send(event.target.text.value);
    event.target.reset();
  };
</script>
"""

app = FastAPI()
clients: set[WebSocket] = set()


@app.get("/", response_class=HTMLResponse)
async def index():
    return PAGE


@app.get("/clients")
async def count():
    return {"clients": len(clients)}


@app.websocket("/chat")
async def chat(socket: WebSocket):
    await socket.accept()
    clients.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for client in list(clients):
                await client.send_text(text[:1000])
    except WebSocketDisconnect:
        pass
    finally:
        clients.discard(socket)
