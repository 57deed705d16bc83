"""v2 Volumes: content-addressed blocks, and for each container a view between commit and reload."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from pathlib import Path
from typing import Any

from aiohttp import web
from attrs import define, field
from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from .world import World, missing

BLOCK = 8 * 2**20
Stamp = tuple[int, int]


def stamps(folder: Path) -> dict[str, Stamp]:
    """Every file with its time and size; one that vanishes meanwhile is none."""
    found = {}
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                stat = path.stat()
                found[str(path.relative_to(folder))] = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            continue
    return found


@define
class View:
    """A container's copy of a Volume; `base` is what both held when they last agreed."""

    here: Path
    there: Path
    base: dict[str, Stamp] = field(factory=dict)

    def reload(self) -> None:
        """Take what others committed; a file that was changed on both sides stays as it is here."""
        self._move(self.there, self.here)

    def commit(self, *, share: float = 1.0) -> None:
        """Give what changed here, the last writer of a file winning; or only a share of it."""
        self._move(self.here, self.there, share=share)

    def _move(self, source: Path, target: Path, *, share: float = 1.0) -> None:
        now = stamps(source)
        changed = [name for name, stamp in now.items() if self.base.get(name) != stamp]
        gone = [name for name in self.base if name not in now]
        for name in changed[: round(len(changed) * share)]:
            try:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                staged = (target / name).with_name(f".{Path(name).name}.{threading.get_ident()}")
                shutil.copy2(source / name, staged)
                staged.replace(target / name)
                self.base[name] = now[name]
            except (FileNotFoundError, NotADirectoryError):
                continue
        if share < 1.0:
            return
        for name in gone:
            (target / name).unlink(missing_ok=True)
            self.base.pop(name, None)
            _remove_empty(target / name, target)


def _remove_empty(path: Path, folder: Path) -> None:
    """Remove the folders that held a file, as far as they are empty now."""
    for parent in path.parents:
        try:
            if parent == folder:
                return
            parent.rmdir()
        except OSError:
            return


class Volumes(World):
    """The RPCs of Volumes, and the URLs that blocks are sent to and fetched from."""

    def _metadata(self, name: str) -> Any:
        return pb.VolumeMetadata(name=name, version=pb.VOLUME_FS_VERSION_V2)

    async def VolumeGetOrCreate(self, r: Any, task: str | None) -> Any:
        name = r.deployment_name or self.new_id("ephemeral")
        if name not in self.volumes:
            if not r.object_creation_type:
                raise missing(f"Volume '{name}'")
            self.volumes[name] = self.new_id("vo")
            (self.folder / "volumes" / name).mkdir(parents=True, exist_ok=True)
        return pb.VolumeGetOrCreateResponse(volume_id=self.volumes[name], metadata=self._metadata(name))

    async def VolumeList(self, r: Any, task: str | None) -> Any:
        items = [
            pb.VolumeListItem(label=name, volume_id=each, metadata=self._metadata(name))
            for name, each in self.volumes.items()
        ]
        return pb.VolumeListResponse(items=items)

    async def VolumeListFiles2(self, r: Any, task: str | None) -> Any:
        folder = self.volume_folder(r.volume_id)
        base = folder / r.path.strip("/")
        if not base.exists():
            raise missing(r.path)
        paths = [base] if base.is_file() else sorted(base.rglob("*") if r.recursive else base.iterdir())
        entries = []
        for path in paths:
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            kind = pb.FileEntry.DIRECTORY if path.is_dir() else pb.FileEntry.FILE
            name = str(path.relative_to(folder))
            entries.append(pb.FileEntry(path=name, type=kind, mtime=int(stat.st_mtime), size=stat.st_size))
        yield pb.VolumeListFiles2Response(entries=entries)

    async def VolumePutFiles2(self, r: Any, task: str | None) -> Any:
        folder, lacking = self.volume_folder(r.volume_id), []
        for i, file in enumerate(r.files):
            if r.disallow_overwrite_existing_files and (folder / file.path.lstrip("/")).exists():
                raise GRPCError(Status.ALREADY_EXISTS, f"{file.path} exists")
            for j, block in enumerate(file.blocks):
                name = block.contents_sha256.hex()
                if not (self.folder / "blocks" / name).exists():
                    url = f"{self.http}/block/{name}"
                    lacking.append(
                        pb.VolumePutFiles2Response.MissingBlock(file_index=i, block_index=j, put_url=url)
                    )
        for file in [] if lacking else r.files:
            target = folder / file.path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            staged = target.with_name(f".{target.name}.incoming")
            with staged.open("wb") as out:
                for j, block in enumerate(file.blocks):
                    data = (self.folder / "blocks" / block.contents_sha256.hex()).read_bytes()
                    out.write(data.ljust(min(BLOCK, file.size - j * BLOCK), b"\0"))
            staged.replace(target)
        return pb.VolumePutFiles2Response(missing_blocks=lacking)

    async def VolumeGetFile2(self, r: Any, task: str | None) -> Any:
        path = self.volume_folder(r.volume_id) / r.path.lstrip("/")
        if not path.is_file():
            raise missing(r.path)
        size = path.stat().st_size
        end = r.start + r.len if r.len else size
        urls = [
            f"{self.http}/file/{r.volume_id}/{at}/{min(end - at, BLOCK)}/{r.path.lstrip('/')}"
            for at in range(r.start, end, BLOCK)
        ]
        return pb.VolumeGetFile2Response(get_urls=urls, size=size, start=r.start, len=end - r.start)

    async def VolumeRemoveFile2(self, r: Any, task: str | None) -> Any:
        path = self.volume_folder(r.volume_id) / r.path.lstrip("/")
        if not path.exists():
            raise missing(r.path)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return Empty()

    async def VolumeCommit(self, r: Any, task: str | None) -> Any:
        view = self.container(task).views[r.volume_id]
        rule = self.faults.strike("VolumeCommit", self.caller(task))
        if rule and rule.kind == "slow":
            await asyncio.sleep(rule.seconds)
        if rule and rule.kind in ("torn", "lost"):
            await asyncio.to_thread(view.commit, share=0.5 if rule.kind == "torn" else 1.0)
        if rule and rule.kind != "slow":
            raise GRPCError(Status.UNAVAILABLE, "the commit failed")
        await asyncio.to_thread(view.commit)
        return pb.VolumeCommitResponse(skip_reload=True)

    async def VolumeReload(self, r: Any, task: str | None) -> Any:
        await asyncio.to_thread(self.container(task).views[r.volume_id].reload)
        return Empty()

    # Blocks and files over HTTP

    async def http_put_block(self, request: web.Request) -> web.Response:
        data = await request.read()
        if self.faults.strike_http("put"):
            return web.Response(status=503)
        name = request.match_info["name"]
        (self.folder / "blocks" / name).write_bytes(data)
        self.uploaded.append(len(data))
        etag = hashlib.md5(data).hexdigest()
        return web.Response(body=name.encode(), headers={"ETag": f'"{etag}"'})

    async def http_get_block(self, request: web.Request) -> web.Response:
        return web.Response(body=(self.folder / "blocks" / request.match_info["name"]).read_bytes())

    async def http_get_file(self, request: web.Request) -> web.Response:
        if self.faults.strike_http("get"):
            return web.Response(status=503)
        what = request.match_info
        try:
            with (self.volume_folder(what["volume"]) / what["path"]).open("rb") as file:
                file.seek(int(what["at"]))
                return web.Response(body=file.read(int(what["size"])))
        except FileNotFoundError:
            return web.Response(status=404)
