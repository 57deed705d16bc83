"""Containers: Modal's own runtime in a subprocess, on a copy of code and Volumes; and their calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2 as pb

from .control import Apps
from .volumes import View
from .world import Call, Container, clean_environment, missing

_RESULT = pb.GenericResult
_FAILED = (
    _RESULT.GENERIC_STATUS_FAILURE,
    _RESULT.GENERIC_STATUS_TIMEOUT,
    _RESULT.GENERIC_STATUS_INIT_FAILURE,
    _RESULT.GENERIC_STATUS_INTERNAL_FAILURE,
)
_PRIVATE_ROOT = """
mount --make-rprivate / && mkdir {root} && mount -t tmpfs loopback {root} || exit
for entry in /*; do
    if [ -L "$entry" ]; then cp -P "$entry" {root}/
    elif [ -d "$entry" ]; then mkdir {root}"$entry" && mount --rbind "$entry" {root}"$entry"
    else touch {root}"$entry" && mount --bind "$entry" {root}"$entry"; fi || exit
done
{volumes}
exec unshare --root={root} --wd={code} {command}
"""
"""The machine's own files, and Volumes among them where no other container sees them.

A folder made in the machine's own root would be everybody's, and who removes it takes it from all."""

_MOUNT = "mkdir -p {root}{path} && mount --bind {source} {root}{path} || exit\n"
_SKEWED_CLOCK = """import time as _time
_true = _time.time
_time.time = lambda: _true() + {seconds!r}
"""


class Containers(Apps):
    """Starts, feeds and ends containers."""

    async def start_container(self, fn_id: str, call_id: str | None = None) -> Container:
        """Start one for a call, or one that serves."""
        task = self.new_id("ta")
        container = Container(task, fn_id, call_id, self.folder / "containers" / task)
        self.containers[task] = container
        if call_id:
            self.calls[call_id].task = task
        if self.cold_seconds:
            await asyncio.sleep(self.cold_seconds)
        volumes = await asyncio.to_thread(self._lay_out, container)
        if container.stopping:
            await self._ended(container)
            return container
        container.process = await asyncio.create_subprocess_exec(
            *("unshare", "-rm" if os.getuid() else "-m"),
            *("sh", "-c", self._script(container, volumes)),
            env=self._environment(container),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self.keep(self._watch(container))
        return container

    def keep(self, work: Any) -> None:
        """Run in the background, and tell of what goes wrong there."""
        task = asyncio.get_running_loop().create_task(work)
        self.__dict__.setdefault("_background", set()).add(task)
        task.add_done_callback(self.__dict__["_background"].discard)

    def _lay_out(self, container: Container) -> dict[str, Path]:
        """Put code and Volumes in place; returns the Volumes by where they are to be seen."""
        definition = self.functions[container.fn_id].definition
        root = container.folder / "root"
        root.mkdir(parents=True)
        (container.folder / "log").touch()
        for mount_id in definition.mount_ids:
            for name, digest in self.mounts.get(mount_id, {}).items():
                target = container.folder / name.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.files[digest])
        if self.overlay:
            shutil.copytree(self.overlay, root, dirs_exist_ok=True)
        if self.clock_skew:
            (root / "sitecustomize.py").write_text(_SKEWED_CLOCK.format(seconds=self.clock_skew))
        volumes = {}
        for i, mount in enumerate(definition.volume_mounts):
            copy = container.folder / f"volume-{i}"
            copy.mkdir()
            view = View(copy, self.volume_folder(mount.volume_id))
            view.reload()
            container.views[mount.volume_id] = view
            volumes[mount.mount_path] = copy
        app_id = self.functions[container.fn_id].app_id
        definition.is_checkpointing_function = definition.checkpointing_enabled
        arguments = pb.ContainerArguments(
            task_id=container.task,
            function_id=container.fn_id,
            app_id=app_id,
            function_def=definition,
            app_layout=self.layout(app_id),
            checkpoint_id=f"ch-{container.task}",
        )
        Path(container.arguments).write_bytes(arguments.SerializeToString())
        return volumes

    def _script(self, container: Container, volumes: dict[str, Path]) -> str:
        """What a shell in a mount namespace of its own becomes the container by."""
        root = shlex.quote(str(container.folder / "machine"))
        mounts = (
            _MOUNT.format(root=root, path=shlex.quote(path), source=shlex.quote(str(copy)))
            for path, copy in volumes.items()
        )
        return _PRIVATE_ROOT.format(
            root=root,
            volumes="".join(mounts),
            code=shlex.quote(str(container.folder / "root")),
            command=self._command(container),
        )

    def _command(self, container: Container) -> str:
        definition = self.functions[container.fn_id].definition
        if definition.webhook_config.type != pb.WEBHOOK_TYPE_WEB_SERVER:
            return f"{sys.executable} -m modal._container_entrypoint"
        # Modal's runtime looks for the server on eth0, which a machine without a network lacks.
        name = definition.implementation_name or definition.function_name
        code = (
            f"import importlib, time; f = importlib.import_module({definition.module_name!r}).{name}; "
            "getattr(f, 'local', f)(); time.sleep(1e9)"
        )
        return f"{sys.executable} -c {shlex.quote(code)}"

    def _environment(self, container: Container) -> dict[str, str]:
        environment = clean_environment()
        for secret_id, values in self.secrets.values():
            if secret_id in self.functions[container.fn_id].definition.secret_ids:
                environment.update(values)
        return {
            **environment,
            "MODAL_SERVER_URL": self.grpc,
            "MODAL_TASK_ID": container.task,
            "MODAL_IS_REMOTE": "1",
            "MODAL_CONTAINER_ARGUMENTS_PATH": container.arguments,
            "MODAL_OVERRIDE_HEADERS": f"x-loopback-task: {container.task}",
            "MODAL_HEARTBEAT_INTERVAL": "1",
            "MODAL_ENABLE_SNAP_RESTORE": "1",
            "MODAL_RESTORE_STATE_PATH": str(container.folder / "restored"),
            "PYTHONPATH": str(container.folder / "root"),
            "PYTHONUNBUFFERED": "1",
        }

    async def _watch(self, container: Container) -> None:
        definition = self.functions[container.fn_id].definition
        limit = definition.timeout_secs if container.call_id and definition.timeout_secs else None
        try:
            await asyncio.wait_for(self._read_output(container), limit)
        except TimeoutError:
            container.status = _RESULT.GENERIC_STATUS_TIMEOUT
            self.kill(container)
        await container.process.wait()
        await self._ended(container)

    async def _read_output(self, container: Container) -> None:
        app_id = self.functions[container.fn_id].app_id
        while line := await container.process.stdout.readline():
            entry = pb.TaskLogs(
                data=line.decode(errors="replace"),
                function_call_id=container.call_id or "",
                timestamp=time.time(),
                timestamp_ns=time.time_ns(),
                file_descriptor=pb.FILE_DESCRIPTOR_STDOUT,
            )
            self.logs.append((app_id, container.fn_id, entry))
            with (container.folder / "log").open("ab") as log:
                log.write(line)

    async def _ended(self, container: Container) -> None:
        self.kill(container)
        container.ended = time.time()
        call = self.calls.get(container.call_id or "")
        if call is None or call.output is not None or call.task != container.task:
            return
        if container.preempted:
            # The same attempt again, on another machine: no retry is used up.
            await self._start(call)
            return
        code = container.process.returncode if container.process else -9
        status = container.status or _RESULT.GENERIC_STATUS_INTERNAL_FAILURE
        await self._finish(
            call, pb.GenericResult(status=status, exception=f"the container exited with {code}"), 1
        )

    def kill(self, container: Container, number: int = signal.SIGKILL) -> None:
        """Send the runtime a signal; SIGKILL goes to every process of the container."""
        container.stopping = container.stopping or number == signal.SIGKILL
        if container.process is None:
            return
        if number != signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.kill(container.process.pid, number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(container.process.pid, number)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                # Not its task id: another loopback on this machine counts from one too.
                if process.environ().get("MODAL_CONTAINER_ARGUMENTS_PATH") == container.arguments:
                    process.kill()

    async def end(self, container: Container, *, number: int, grace: float) -> None:
        """Send a signal, and SIGKILL after a grace period; returns once it has ended."""
        self.kill(container, number)
        deadline = time.monotonic() + grace
        while container.is_alive and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        while container.is_alive:
            self.kill(container)
            await asyncio.sleep(0.05)

    async def preempt(self, container: Container) -> None:
        """Take the machine away as a cloud does: SIGINT, a grace period, SIGKILL."""
        container.preempted = True
        await self.end(container, number=signal.SIGINT, grace=self.grace)

    async def stop_containers(self, app_id: str) -> None:
        own = [c for c in self.containers.values() if self.functions[c.fn_id].app_id == app_id and c.is_alive]
        for container in own:
            if (call := self.calls.get(container.call_id or "")) and call.output is None:
                self._terminate(call)
        await asyncio.gather(*(self.end(c, number=signal.SIGKILL, grace=0.0) for c in own))

    async def stop_serving(self, fn_id: str) -> None:
        old = [c for c in self.alive(fn_id) if c.call_id is None]
        await asyncio.gather(*(self.end(c, number=signal.SIGTERM, grace=self.grace) for c in old))

    # Calls, from the client's side

    async def _start(self, call: Call) -> None:
        await self.start_container(call.fn_id, call.call_id)

    async def _finish(self, call: Call, result: Any, data_format: Any) -> None:
        policy = self.functions[call.fn_id].definition.retry_policy
        if result.status in _FAILED and call.tries < policy.retries:
            call.tries += 1
            await asyncio.sleep(min(policy.initial_delay_ms, 200) / 1000)
            if call.output is None:
                await self._start(call)
            return
        call.output = pb.FunctionGetOutputsItem(
            result=result, input_id=call.input_id, data_format=data_format, retry_count=call.tries
        )
        call.done.set()

    def _terminate(self, call: Call) -> None:
        result = pb.GenericResult(
            status=_RESULT.GENERIC_STATUS_TERMINATED, exception="Input was cancelled by user"
        )
        call.output = pb.FunctionGetOutputsItem(input_id=call.input_id, result=result)
        call.done.set()

    def _call(self, call_id: str) -> Call:
        if call_id not in self.calls:
            raise missing(f"Function call {call_id}")
        return self.calls[call_id]

    async def FunctionMap(self, r: Any, task: str | None) -> Any:
        call_id = self.new_id("fc")
        given = r.pipelined_inputs[0].input
        call = Call(call_id, r.function_id, given, r.function_call_invocation_type)
        self.calls[call_id] = call
        self.keep(self._start(call))
        item = pb.FunctionPutInputsResponseItem(input_id=call.input_id, input_jwt=call_id)
        return pb.FunctionMapResponse(
            function_call_id=call_id,
            function_call_jwt=call_id,
            max_inputs_outstanding=1000,
            pipelined_inputs=[item],
        )

    async def FunctionGetOutputs(self, r: Any, task: str | None) -> Any:
        call = self._call(r.function_call_id)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(call.done.wait(), max(r.timeout, 0.01))
        outputs = [call.output] if call.output else []
        return pb.FunctionGetOutputsResponse(outputs=outputs, num_unfinished_inputs=0 if outputs else 1)

    async def FunctionCallFromId(self, r: Any, task: str | None) -> Any:
        call = self._call(r.function_call_id)
        metadata = pb.FunctionCallHandleMetadata(
            function_id=call.fn_id, app_id=self.functions[call.fn_id].app_id
        )
        return pb.FunctionCallFromIdResponse(
            function_call_id=r.function_call_id, num_inputs=1, metadata=metadata
        )

    async def FunctionCallCancel(self, r: Any, task: str | None) -> Any:
        call = self._call(r.function_call_id)
        if call.output is None:
            self._terminate(call)
            if call.task:
                await self.end(self.containers[call.task], number=signal.SIGKILL, grace=0.0)
        return Empty()

    async def FunctionGetCallGraph(self, r: Any, task: str | None) -> Any:
        call = self._call(r.function_call_id)
        definition = self.functions[call.fn_id].definition
        status = call.output.result.status if call.output else 0
        inputs = [
            pb.InputCallGraphInfo(
                input_id=call.input_id,
                status=status,
                function_call_id=call.call_id,
                task_id=call.task or "",
            )
        ]
        calls = [
            pb.FunctionCallCallGraphInfo(
                function_call_id=call.call_id,
                function_name=definition.function_name,
                module_name=definition.module_name,
            )
        ]
        return pb.FunctionGetCallGraphResponse(inputs=inputs, function_calls=calls)

    # Calls, from the container's side

    async def ContainerHello(self, r: Any, task: str | None) -> Any:
        return Empty()

    async def ContainerHeartbeat(self, r: Any, task: str | None) -> Any:
        return pb.ContainerHeartbeatResponse()

    async def ContainerCheckpoint(self, r: Any, task: str | None) -> Any:
        """Take a snapshot and come back from it at once, in the same process: broken, if a fault says so."""
        container = self.container(task)
        if self.faults.strike("ContainerCheckpoint", "broken"):
            for process in psutil.Process(container.process.pid).children(recursive=True):
                process.kill()
        (container.folder / "restored").write_text("{}")
        return Empty()

    async def ContainerServerLifecycleReady(self, r: Any, task: str | None) -> Any:
        container = self.container(task)
        container.ready = True
        self.functions[container.fn_id].last_request = time.monotonic()
        return Empty()

    async def TaskResult(self, r: Any, task: str | None) -> Any:
        call = self.calls.get(self.container(task).call_id or "")
        if call is not None and call.task == task:
            self.container(task).given = True
            await self._finish(call, r.result, pb.DATA_FORMAT_PICKLE)
        return Empty()

    async def FunctionGetInputs(self, r: Any, task: str | None) -> Any:
        container = self.container(task)
        call = self.calls[container.call_id or ""]
        first, container.given = not container.given, True
        item = pb.FunctionGetInputsItem(kill_switch=True)
        if first:
            item = pb.FunctionGetInputsItem(
                input_id=call.input_id,
                input=call.input,
                function_call_id=call.call_id,
                function_call_invocation_type=call.invocation,
                retry_count=call.tries,
            )
        return pb.FunctionGetInputsResponse(inputs=[item])

    async def FunctionPutOutputs(self, r: Any, task: str | None) -> Any:
        call = self.calls[self.container(task).call_id or ""]
        output = r.outputs[0]
        if call.task == task and call.output is None:
            self.keep(self._finish(call, output.result, output.data_format))
        return Empty()
