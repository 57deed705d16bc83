"""A fast OpenAI-compatible stub server, for the benchmarks: one thread, asyncio, no HTTP library.

    python benchmarks/stub_endpoint.py [--service-ms 100] [--slots 64] [--faults 0.05]

It prints its port, and counts requests by their question; `GET /counts` tells the counts. With `--faults`,
each of 429, 500, a hang, a cut-off answer, half JSON, a huge answer and an empty one comes so often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections import Counter

FAULTS = ("429", "500", "hang", "cut", "half", "huge", "empty")


def reply(body: bytes, status: str = "200 OK", extra: str = "", *, length: int | None = None) -> bytes:
    """An HTTP response."""
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {size}\r\n{extra}\r\n"
    return head.encode() + body


def completion(text: str) -> bytes:
    """A chat completion."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48}
    return json.dumps(
        {"object": "chat.completion", "model": "stub", "choices": [choice], "usage": usage}
    ).encode()


class Stub:
    """What all connections share."""

    def __init__(self, service: float, slots: int, faults: float, seed: int) -> None:
        """Begin with nothing asked.

        Args:
            service: Seconds that an answer takes.
            slots: Answers that are worked on at once.
            faults: How often each fault comes.
            seed: Decides which request gets a fault.
        """
        self.service, self.faults = service, faults
        self.free = asyncio.Semaphore(slots)
        self.asked: Counter[str] = Counter()
        self.rng = random.Random(seed)

    async def answer(self, body: bytes, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether the connection goes on."""
        question = json.loads(body)["messages"][-1]["content"]
        self.asked[question] += 1
        fault = self.fault()
        async with self.free:
            if self.service:
                await asyncio.sleep(self.service)
        whole = completion(f"lang:go {question}")
        match fault:
            case None:
                writer.write(reply(whole))
            case "429":
                writer.write(reply(b"{}", "429 Too Many Requests", "retry-after: 0.05\r\n"))
            case "500":
                writer.write(reply(b"{}", "500 Internal Server Error"))
            case "hang":
                await asyncio.sleep(30)
                return False
            case "cut":
                writer.write(reply(whole[:50], length=len(whole)))
                return False
            case "half":
                writer.write(reply(whole[:50]))
            case "huge":
                writer.write(reply(completion("x" * 3_000_000)))
            case _:
                writer.write(reply(b""))
        return True

    def fault(self) -> str | None:
        """What goes wrong with the next request."""
        place = self.rng.random()
        return FAULTS[int(place / self.faults)] if self.faults and place < len(FAULTS) * self.faults else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lower = head.lower()
                if lower.startswith(b"get"):
                    writer.write(reply(json.dumps(self.asked).encode()))
                    continue
                size = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
                if not await self.answer(await reader.readexactly(size), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def main() -> None:
    """Serve until the process is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--service-ms", type=float, default=100.0)
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--faults", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    stub = Stub(wanted.service_ms / 1000, wanted.slots, wanted.faults, wanted.seed)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
