"""A page of notes, which are kept in SQLite."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from flask import Flask, redirect, render_template_string, request, url_for

DATABASE = Path(os.environ.get("DATA_DIR", "data"), "notes.sqlite3")
PAGE = """<!doctype html>
<title>Notes</title>
<link rel="stylesheet" href="{{ url_for('static', filename='style.css') }}">
<h1>Notes</h1>
<form method="post"><input name="text" maxlength="200" required> <button>Add</button></form>
<ul>{% for (text,) in notes %}<li>{{ text }}</li>{% endfor %}</ul>
"""

app = Flask(__name__)


def connect():
    return closing(sqlite3.connect(DATABASE, timeout=20, isolation_level=None))


@app.get("/")
def index():
    with connect() as database:
        notes = database.execute("SELECT text FROM note ORDER BY id DESC LIMIT 50").fetchall()
    return render_template_string(PAGE, notes=notes)


@app.post("/")
def add():
    with connect() as database:
        database.execute("INSERT INTO note (text) VALUES (?)", [request.form["text"][:200]])
    return redirect(url_for("index"))
