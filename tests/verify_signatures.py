#!/usr/bin/env python3
"""Signing and checking RAWE's messages in Python, with nothing but the standard library.

An agent in Python may copy this file: `sign_message(text, seed, deployment, channel)` is all it
needs. Run as a program it checks the vectors that it shares with the Rust tests:

    python3 tests/verify_signatures.py tests/vectors/signatures.json

It is written to be read, after RFC 8785 (canonical JSON) and RFC 8032 (Ed25519): it takes
milliseconds a signature and is not hardened against timing.
"""

import base64
import hashlib
import json
import struct
import sys

# --- RFC 8785: canonical JSON -----------------------------------------------------------------


class Refused(Exception):
    """Why a message is not believed; the code is the first word."""


def _members(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise Refused("DUPLICATE_FIELD two fields of one name")
    return dict(pairs)


def _no_constant(name):
    raise Refused(f"NOT_JSON {name}")


def read(text):
    """Reads JSON; every number is a double, and a name that occurs twice is refused."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=float,
            parse_float=float,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as error:
        raise Refused(f"NOT_JSON {error}") from error
    return value


def number(value):
    """Writes a double as ECMAScript does."""
    if value != value or value in (float("inf"), float("-inf")):
        raise Refused("OUT_OF_RANGE no double")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Python, too, writes the shortest digits that read back as the same double.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        body = digits + "0" * (point - count)
    elif 0 < point <= 21:
        body = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        power = point - 1
        tail = "." + digits[1:] if count > 1 else ""
        body = f"{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"
    return sign + body


def canonical(value):
    """The canonical text of a value that `read` returned."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused("NOT_JSON half of a surrogate pair") from error
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(canonical(element) for element in value) + "]"
    members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(canonical(name) + ":" + canonical(item) for name, item in members) + "}"


def signed_bytes(message, deployment, channel):
    """What is signed: the message without its signature, with two fields that are not sent."""
    message = {name: item for name, item in message.items() if name != "signature"}
    for name, item in (("deployment", deployment), ("channel", channel)):
        if name in message:
            raise Refused(f"BAD_SIGNATURE the field {name} is reserved")
        message[name] = item
    return canonical(message).encode("utf-8")


# --- RFC 8032: Ed25519 ------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def _add(a, b):
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(count, point):
    total = (0, 1, 1, 0)
    while count > 0:
        if count & 1:
            total = _add(total, point)
        point = _add(point, point)
        count >>= 1
    return total


def _recover(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0:
        return None
    return P - x if (x & 1) != sign else x


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = _recover(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def _pack(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return int.to_bytes(y | ((x & 1) << 255), 32, "little")


def _unpack(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = _recover(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _hash(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % Q


def _expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | (1 << 254), digest[32:]


def public_key(seed):
    """The public key of 32 secret bytes."""
    return _pack(_times(_expand(seed)[0], BASE))


def sign(seed, data):
    """The signature of 64 bytes over `data`."""
    scalar, prefix = _expand(seed)
    public = _pack(_times(scalar, BASE))
    nonce = _hash(prefix + data)
    point = _pack(_times(nonce, BASE))
    challenge = _hash(point + public + data)
    return point + int.to_bytes((nonce + challenge * scalar) % Q, 32, "little")


def verifies(public, data, signature):
    """Whether `signature` is over `data` and by `public`."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point = _unpack(public), _unpack(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or point is None or scalar >= Q:
        return False
    challenge = _hash(signature[:32] + public + data)
    left, right = _times(scalar, BASE), _add(point, _times(challenge, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# --- messages ---------------------------------------------------------------------------------


def key_id(public):
    """The id of a public key, as it stands in a signature."""
    return base64.b32encode(hashlib.sha256(public).digest()).decode().lower()[:16]


def sign_message(text, seed, deployment, channel):
    """The message with its signature, ready to be published."""
    message = json.loads(text)
    value = sign(seed, signed_bytes(read(text), deployment, channel))
    message["signature"] = {
        "key_id": key_id(public_key(seed)),
        "alg": "ed25519",
        "value": base64.b64encode(value).decode(),
    }
    return json.dumps(message)


def check_message(text, publics, deployment, channel):
    """Returns if the message is signed by one of the keys, raises `Refused` if not."""
    message = read(text)
    if not isinstance(message, dict):
        raise Refused("NOT_JSON no object")
    signature = message.get("signature")
    data = signed_bytes(message, deployment, channel)
    if signature is None:
        raise Refused("UNSIGNED")
    if set(signature) != {"key_id", "alg", "value"}:
        raise Refused("NOT_JSON a signature has exactly three fields")
    if signature["alg"] != "ed25519":
        raise Refused("BAD_SIGNATURE another algorithm")
    keys = [public for public in publics if key_id(public) == signature["key_id"]]
    if not keys:
        raise Refused("UNKNOWN_KEY")
    value = base64.b64decode(signature["value"], validate=True)
    if not verifies(keys[0], data, value):
        raise Refused("BAD_SIGNATURE")


# --- the vectors ------------------------------------------------------------------------------


def problems_of(vectors):
    """Everything in which this file and the vectors disagree."""
    for case in vectors["canonical"]:
        try:
            found = canonical(read(case["text"]))
        except Refused as refused:
            found = str(refused).split()[0]
        if found != case["canonical"]:
            yield f"canonical, {case['name']}: {found}"
    for bits, text in vectors["numbers"]:
        (value,) = struct.unpack(">d", bytes.fromhex(bits))
        if number(value) != text:
            yield f"number {bits}: {number(value)}, not {text}"
    for case in vectors["messages"]:
        name = f"message, {case['name']}"
        publics = [base64.b64decode(key) for key in case["public_keys"]]
        try:
            check_message(case["text"], publics, case["deployment"], case["channel"])
            found = "OK"
        except Refused as refused:
            found = str(refused).split()[0]
        if found != case["verdict"]:
            yield f"{name}: {found}, not {case['verdict']}"
        if "signed_text" in case:
            data = signed_bytes(read(case["text"]), case["deployment"], case["channel"])
            if data.decode() != case["signed_text"]:
                yield f"{name}: what is signed differs"
            seed = bytes.fromhex(case["seed"])
            value = base64.b64encode(sign(seed, data)).decode()
            if value != read(case["text"])["signature"]["value"]:
                yield f"{name}: the signature differs"


def main(path):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    problems = list(problems_of(vectors))
    for problem in problems:
        print(problem)
    count = sum(len(vectors[part]) for part in ("canonical", "numbers", "messages"))
    print(f"{count} vectors, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
