#!/usr/bin/env python3
"""Writes orders.jsonl: 400 orders, of which 12 are bad in different ways.

The file is checked in, so nobody needs this to run the app. It is here to show where the file comes from, and says
what the totals have to be: worked out here by other means than the workers use.
"""

import hashlib
import json
import pathlib

CUSTOMERS = ["Adler & Sons", "Blue Lantern Books", "Café Zürich", "Drift Outdoor", "Elm Street School", "Fjord Marine"]
ITEMS = [
    ("notebook A5, dotted", 745),
    ("ballpoint pen, blue", 129),
    ("desk lamp \"Aurora\"", 4990),
    ("printer paper, 500 sheets", 689),
    ("whiteboard marker set", 1150),
    ("office chair", 18900),
    ("filing box", 525),
]


def text(order):
    return json.dumps(order, ensure_ascii=False)


def number(line, salt, below):
    """A number that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256(f"{line} {salt}".encode()).digest()[:8], "big") % below


def order(line):
    item, cents = ITEMS[number(line, 1, len(ITEMS))]
    made = {
        "id": f"O-{line:04}",
        "customer": CUSTOMERS[number(line, 2, len(CUSTOMERS))],
        "item": item,
        "quantity": 1 + number(line, 3, 24),
        "unit_price_cents": cents,
    }
    if number(line, 4, 8) == 0:
        made["markdown"] = {"percent": 5 + 5 * number(line, 5, 4), "until_cents": 10000}
    return made


def price(made):
    quantity = made["quantity"]
    cents = (quantity - quantity // 10) * made["unit_price_cents"]
    markdown = made.get("markdown")
    while markdown and cents > markdown["until_cents"]:
        cents -= cents * markdown["percent"] // 100
    return cents


def without(made, key):
    return {name: value for name, value in made.items() if name != key}


# Line: what makes its order a bad one.
BAD = {
    23: lambda made: text(made)[:-20],
    57: lambda made: text(without(made, "quantity")),
    98: lambda made: text(made | {"quantity": -3}),
    131: lambda made: text(made | {"quantity": "a dozen"}),
    166: lambda _: "",
    202: lambda made: text(made | {"markdown": {"percent": 0, "until_cents": 1}}),
    239: lambda made: text(made).replace(":", "=", 1),
    240: lambda made: text(without(made, "unit_price_cents")),
    277: lambda made: text(made | {"quantity": 4_000_000_000}),
    318: lambda _: "please send us two of the chairs, thanks!",
    353: lambda made: text(made | {"unit_price_cents": 9.99}),
    389: lambda made: text([made]),
}

lines, orders, total = [], 0, 0
for line in range(1, 401):
    made = order(line)
    if line in BAD:
        lines.append(BAD[line](made))
    else:
        lines.append(text(made))
        orders += 1
        total += price(made)

path = pathlib.Path(__file__).with_name("orders.jsonl")
path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
print(f"{len(lines)} lines, {orders} good orders, {total} cents, {len(BAD)} bad orders")
