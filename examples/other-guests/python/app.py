"""The supervised worker once more, in Python: it counts, and crashes when it is told to.

A message is one line of text, a command and its arguments. Everything that has to outlive a crash is in the state; what is kept in a
global is gone after a restart.
"""

import os
import sys
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import message_server_host as messages
from wit_world.imports import runtime, types


class Actor(exports.Actor):
    def init(self, state, params):
        return (pack(int((state or b"0").decode()), params[0]),)


class MessageServerClient(exports.MessageServerClient):
    def handle_send(self, state, params):
        state, _ = obey(state, params[0])
        return (state,)

    def handle_request(self, state, params):
        state, answer = obey(state, params[1])
        return state, (answer,)

    def handle_channel_open(self, state, params):
        return state, (types.ChannelAccept(False, b"this actor takes no channels"),)

    def handle_channel_message(self, state, params):
        return (state,)

    def handle_channel_close(self, state, params):
        return (state,)


def pack(total, actor):
    return f"total={total}\nid={actor}\n".encode()


def obey(state, message):
    """Does what the message says. Returns the next state and the answer; no answer leaves a request open."""
    fields = dict(line.split("=", 1) for line in (state or b"").decode().splitlines())
    total, actor = int(fields["total"]), fields["id"]
    command, _, rest = message.decode().partition(" ")
    if command == "add":
        total += int(rest)
        answer = str(total)
    elif command == "total":
        answer = str(total)
    elif command == "id":
        answer = actor
    elif command == "crash":
        raise RuntimeError("told to crash")
    elif command == "fail":
        raise Err(rest)
    elif command == "defer":
        return pack(total, actor), None
    elif command == "outstanding":
        answer = "\n".join(messages.list_outstanding_requests())
    elif command == "answer":
        request, _, text = rest.partition(" ")
        answer = done(lambda: messages.respond_to_request(request, text.encode()))
    elif command == "ask":
        target, _, question = rest.partition(" ")
        answer = done(lambda: messages.request(target, question.encode()).decode())
    elif command == "print":
        print(rest)
        print(rest, file=sys.stderr)
        answer = "ok"
    elif command == "world":
        # What WASI shows of the outside: clocks and random numbers, and otherwise nothing.
        time.sleep(0.001)
        answer = f"{time.time_ns()} {time.monotonic_ns()} {os.urandom(8).hex()} {len(os.environ)}"
    elif command == "read":
        try:
            with open(rest) as file:
                answer = file.read()
        except OSError as error:
            answer = f"error: {type(error).__name__}"
    elif command == "write":
        name, _, text = rest.partition(" ")
        with open(name, "a") as file:
            answer = str(file.write(text))
    elif command == "files":
        # Every name below a folder, with the sizes of files.
        walked = [(top, name) for top, _, names in sorted(os.walk(rest)) for name in sorted(names)]
        paths = [os.path.join(top, name) for top, name in walked]
        answer = "\n".join(f"{path} {os.stat(path).st_size}" for path in paths)
    elif command == "folder":
        os.makedirs(rest)
        answer = "ok"
    elif command == "move":
        os.rename(*rest.split(" "))
        answer = "ok"
    elif command == "remove":
        os.remove(rest)
        answer = "ok"
    elif command == "quit":
        runtime.shutdown(rest.encode() if rest else None)
        answer = "ok"
    else:
        raise Err(f"unknown command: {command}")
    return pack(total, actor), answer.encode()


def done(work):
    try:
        return work() or "ok"
    except Err as error:
        return f"error: {error.value}"
