#!/usr/bin/env python3
"""Stands between a client and a paper exchange and holds what passes against Alpaca's published
OpenAPI documents, which Alpaca ships inside its package `alpaca-mcp-server` (MIT).

    python3 tests/openapi_proxy.py http://127.0.0.1:8460 [answers]

With `answers` only the answers count: the official Python SDK sends numbers where the documents
want texts, and the service takes them. Prints the address to use, passes everything on until standard input ends, and then tells what was
not valid: requests in full (method, path, every parameter, the body without unknown fields and
without exponents), and the bodies of answers. Ends with 1 if anything was wrong.
"""

import importlib.util
import json
import re
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

UPSTREAM = sys.argv[1].rstrip("/")
ANSWERS_ONLY = sys.argv[2:] == ["answers"]
PACKAGE = Path(importlib.util.find_spec("alpaca_mcp_server").origin).parent
DOCUMENTS = [json.loads((PACKAGE / "specs" / f"{name}.json").read_text())
             for name in ("trading-api", "market-data-api")]
# What the documents themselves get wrong, and what of an answer is therefore not looked at: rows
# of activities match both of two schemas without required fields; a mass close may answer an error
# in the place of an order; news may lack a text.
NOT_LOOKED_AT = {("get", "/v2/account/activities/{activity_type}"), ("get", "/v2/account/activities"),
                 ("delete", "/v2/positions"), ("get", "/v1beta1/news")}

problems, seen = set(), {}
lock = threading.Lock()


def resolve(document, node):
    while isinstance(node, dict) and "$ref" in node:
        target = document
        for part in node["$ref"][2:].split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def operation_of(method, path):
    """The document and the operation of a request; literal paths win over templates."""
    found = []
    for document in DOCUMENTS:
        for template, operations in document["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            if method in operations and re.fullmatch(pattern, path):
                found.append((template.count("{"), template, document, operations))
    if not found:
        return None
    _, template, document, operations = min(found, key=lambda entry: entry[0])
    own = operations[method]
    shared = operations.get("parameters", [])
    parameters = [resolve(document, entry) for entry in shared + own.get("parameters", [])]
    return template, document, own, parameters


def errors_of(document, schema, value):
    # The schema is read inside its document, so that its references are found.
    whole = {"components": document["components"], **schema}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message[:160]}" for error in validator.iter_errors(value)]


def typed(document, schema, text):
    """A parameter's text as the value that its schema speaks of."""
    schema = resolve(document, schema)
    if schema.get("type") == "array":
        return [typed(document, schema["items"], part) for part in text.split(",")]
    if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if schema.get("type") == "number" and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text)
    if schema.get("type") == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def properties(document, schema):
    """The names of all fields that a body may have."""
    schema = resolve(document, schema)
    names = set(schema.get("properties", {}))
    for kind in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(kind, []):
            names |= properties(document, part)
    return names


def check_request(method, target, body):
    path, _, query = target.partition("?")
    found = operation_of(method, path)
    if found is None:
        return None, [f"no such operation: {method} {path}"]
    template, document, own, parameters = found
    wrong = []
    given = urllib.parse.parse_qsl(query, keep_blank_values=True)
    known = {entry["name"]: entry for entry in parameters if entry["in"] == "query"}
    for name, text in given:
        if name not in known:
            wrong.append(f"parameter {name} is unknown")
            continue
        schema = known[name].get("schema", {})
        value = typed(document, schema, text)
        wrong += [f"parameter {name}={text}: {e}" for e in errors_of(document, schema, value)]
    names = {name for name, _ in given}
    wrong += [f"parameter {name} is missing" for name, entry in known.items()
              if entry.get("required") and name not in names]
    if "requestBody" in own and body:
        schema = own["requestBody"]["content"]["application/json"]["schema"]
        value = json.loads(body)
        wrong += [f"body {error}" for error in errors_of(document, schema, value)]
        unknown = set(value) - properties(document, schema)
        wrong += [f"body field {name} is unknown" for name in sorted(unknown)]
        if re.search(r'[:\[,]\s*"?-?[\d.]+[eE][+-]?\d+"?\s*[,}\]]', body.decode()):
            wrong.append("body has a number with an exponent")
    elif body:
        wrong.append("a body where none is wanted")
    return (template, document, own), wrong


def check_answer(method, found, status, body):
    template, document, own = found
    if (method, template) in NOT_LOOKED_AT or status >= 300 or not body:
        return []
    answer = own["responses"].get(str(status))
    if answer is None:
        return [f"answer {status} is not in the document"]
    content = resolve(document, answer).get("content", {}).get("application/json")
    if content is None:
        return []
    return [f"answer {error}" for error in errors_of(document, content["schema"], json.loads(body))]


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        method = self.command.lower()
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        found, wrong = check_request(method, self.path, body)
        names = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY", "Content-Type")
        headers = {name: self.headers[name] for name in names if self.headers[name]}
        request = urllib.request.Request(UPSTREAM + self.path, data=body or None, headers=headers,
                                         method=self.command)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        payload = answer.read()
        if ANSWERS_ONLY:
            wrong = []
        if found is not None:
            wrong += check_answer(method, found, answer.status, payload)
        name = found[0] if found else self.path
        with lock:
            seen[f"{method} {name}"] = seen.get(f"{method} {name}", 0) + 1
            problems.update(f"{self.command} {self.path} {body.decode()}: {w}" for w in wrong)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}", flush=True)
sys.stdin.read()
for operation, count in sorted(seen.items()):
    print(f"{count:4} {operation}")
for problem in sorted(problems):
    print(f"NOT VALID: {problem}")
sys.exit(1 if problems or not seen else 0)
