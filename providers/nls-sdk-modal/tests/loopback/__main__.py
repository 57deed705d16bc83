import asyncio
import sys
from pathlib import Path

from .server import serve

asyncio.run(serve(Path(sys.argv[1]).resolve()))
