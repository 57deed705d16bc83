"""The control plane: account, secrets, images, code mounts, apps, functions, logs."""

from __future__ import annotations

import time
from typing import Any

from google.protobuf.empty_pb2 import Empty
from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from .world import App, Fn, World, missing, sha256

_OK = pb.GenericResult.GENERIC_STATUS_SUCCESS


class Account(World):
    """Who is there, and what it costs."""

    async def ClientHello(self, r: Any, task: str | None) -> Any:
        return pb.ClientHelloResponse()

    async def WorkspaceNameLookup(self, r: Any, task: str | None) -> Any:
        return pb.WorkspaceNameLookupResponse(workspace_name=self.workspace, username=self.workspace)

    async def WorkspaceBillingRates(self, r: Any, task: str | None) -> Any:
        if not self.rates:
            raise GRPCError(Status.PERMISSION_DENIED, "this token may not see billing")
        return pb.WorkspaceBillingRatesResponse(rates=self.rates)

    async def EnvironmentGetOrCreate(self, r: Any, task: str | None) -> Any:
        name = r.deployment_name or "main"
        if name not in ("main", "dev"):
            raise missing(f"Environment '{name}'")
        settings = pb.EnvironmentSettings(image_builder_version="2025.06")
        metadata = pb.EnvironmentMetadata(name=name, settings=settings)
        return pb.EnvironmentGetOrCreateResponse(environment_id=f"en-{name}", metadata=metadata)

    async def SecretGetOrCreate(self, r: Any, task: str | None) -> Any:
        name = r.deployment_name or self.new_id("anonymous")
        if r.object_creation_type:
            self.secrets[name] = (f"st-{name}", dict(r.env_dict))
        if name not in self.secrets:
            raise missing(f"Secret '{name}'")
        secret_id, values = self.secrets[name]
        if lacking := [key for key in r.required_keys if key not in values]:
            raise GRPCError(Status.FAILED_PRECONDITION, f"Secret is missing key(s) {lacking}")
        return pb.SecretGetOrCreateResponse(secret_id=secret_id, metadata=pb.SecretMetadata(name=name))

    async def SecretList(self, r: Any, task: str | None) -> Any:
        items = [
            pb.SecretListItem(label=name, secret_id=each, metadata=pb.SecretMetadata(name=name))
            for name, (each, _) in self.secrets.items()
        ]
        return pb.SecretListResponse(items=items)


class Builds(World):
    """Images, which are recorded and not built, and code mounts, which are real."""

    async def ImageGetOrCreate(self, r: Any, task: str | None) -> Any:
        image_id = "im-" + sha256(r.image.SerializeToString(deterministic=True))[:12]
        self.images[image_id] = list(r.image.dockerfile_commands)
        metadata = pb.ImageMetadata(image_builder_version=r.builder_version)
        return pb.ImageGetOrCreateResponse(
            image_id=image_id, result=pb.GenericResult(status=_OK), metadata=metadata
        )

    async def MountBatchedCheckExistence(self, r: Any, task: str | None) -> Any:
        lacking = [each for each in r.sha256_hex_hashes if each not in self.files]
        return pb.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=lacking)

    async def MountPutFile(self, r: Any, task: str | None) -> Any:
        if r.WhichOneof("data_oneof") == "data":
            self.files[r.sha256_hex] = r.data
        return pb.MountPutFileResponse(exists=r.sha256_hex in self.files)

    async def MountGetOrCreate(self, r: Any, task: str | None) -> Any:
        mount_id = self.new_id("mo")
        self.mounts[mount_id] = {file.filename: file.sha256_hex for file in r.files}
        return pb.MountGetOrCreateResponse(mount_id=mount_id, handle_metadata=_mount_metadata())

    async def BlobCreate(self, r: Any, task: str | None) -> Any:
        blob = self.new_id("bl")
        return pb.BlobCreateResponse(blob_ids=[blob], blob_id=blob, upload_url=f"{self.http}/block/{blob}")

    async def BlobGet(self, r: Any, task: str | None) -> Any:
        return pb.BlobGetResponse(download_url=f"{self.http}/block/{r.blob_id}")


class Apps(World):
    """Apps and what is deployed in them."""

    async def stop_containers(self, app_id: str) -> None:
        """Given by `Containers`."""
        raise NotImplementedError

    async def stop_serving(self, fn_id: str) -> None:
        """Given by `Containers`."""
        raise NotImplementedError

    def _new_app(self, name: str, state: Any, tags: Any = ()) -> str:
        app_id = self.new_id("ap")
        self.apps[app_id] = App(name, state, tags=dict(tags))
        return app_id

    async def AppCreate(self, r: Any, task: str | None) -> Any:
        return pb.AppCreateResponse(app_id=self._new_app(r.description, r.app_state, r.tags))

    async def AppGetOrCreate(self, r: Any, task: str | None) -> Any:
        found = self.app_named(r.app_name)
        if not found and not r.object_creation_type:
            raise missing(f"App '{r.app_name}'")
        app_id = found[0] if found else self._new_app(r.app_name, pb.APP_STATE_DEPLOYED)
        return pb.AppGetOrCreateResponse(app_id=app_id, handle_metadata=self._app_metadata(app_id))

    async def AppGetByDeploymentName(self, r: Any, task: str | None) -> Any:
        found = self.app_named(r.name)
        return pb.AppGetByDeploymentNameResponse(app_id=found[0] if found else "", environment_name="main")

    async def AppGetLayout(self, r: Any, task: str | None) -> Any:
        return pb.AppGetLayoutResponse(app_layout=self.layout(r.app_id))

    async def AppPublish(self, r: Any, task: str | None) -> Any:
        app = self.apps[r.app_id]
        app.name, app.state, app.functions = r.name or app.name, r.app_state, dict(r.function_ids)
        app.tags, app.version, app.deployed = dict(r.tags), app.version + 1, app.deployed + 1
        return pb.AppPublishResponse(url=f"{self.http}/apps/{r.app_id}", deployed_at=time.time())

    async def AppHeartbeat(self, r: Any, task: str | None) -> Any:
        return Empty()

    async def AppClientDisconnect(self, r: Any, task: str | None) -> Any:
        if self.apps[r.app_id].state not in (pb.APP_STATE_DEPLOYED, pb.APP_STATE_DETACHED):
            return await self.AppStop(r, task)
        return Empty()

    async def AppStop(self, r: Any, task: str | None) -> Any:
        self.apps[r.app_id].state = pb.APP_STATE_STOPPED
        await self.stop_containers(r.app_id)
        return Empty()

    async def AppList(self, r: Any, task: str | None) -> Any:
        items = []
        for app_id, app in self.apps.items():
            running = sum(len(self.alive(fn)) for fn in app.functions.values())
            items.append(
                pb.AppListResponse.AppListItem(
                    app_id=app_id,
                    name=app.name,
                    description=app.name,
                    state=app.state,
                    created_at=app.created,
                    n_running_tasks=running,
                )
            )
        return pb.AppListResponse(apps=items)

    async def AppGetInfo(self, r: Any, task: str | None) -> Any:
        return pb.AppGetInfoResponse(info=self._app_metadata(r.app_id))

    async def AppSetTags(self, r: Any, task: str | None) -> Any:
        self.apps[r.app_id].tags = dict(r.tags)
        return Empty()

    async def AppGetTags(self, r: Any, task: str | None) -> Any:
        return pb.AppGetTagsResponse(tags=self.apps[r.app_id].tags)

    def _app_metadata(self, app_id: str) -> Any:
        app = self.apps[app_id]
        lifecycle = pb.AppLifecycle(app_state=app.state, version=app.version, created_at=app.created)
        metadata = pb.AppHandleMetadata(app_id=app_id, description=app.name, lifecycle=lifecycle)
        for name, fn_id in app.functions.items():
            is_server = self.functions[fn_id].definition.is_server
            (metadata.servers if is_server else metadata.functions)[name] = fn_id
        return metadata

    def layout(self, app_id: str) -> Any:
        """What a container is told of its app."""
        own = self.apps[app_id].functions
        needed = {
            each.object_id
            for fn in own.values()
            for each in self.functions[fn].definition.object_dependencies
        }
        objects = [
            pb.Object(object_id=fn, function_handle_metadata=self.function_metadata(fn))
            for fn in own.values()
        ]
        for each in needed - set(own.values()):
            extra: dict[str, Any] = {}
            if each.startswith("vo-"):
                extra = {"volume_metadata": pb.VolumeMetadata(version=pb.VOLUME_FS_VERSION_V2)}
            elif each.startswith("mo-"):
                extra = {"mount_handle_metadata": _mount_metadata()}
            objects.append(pb.Object(object_id=each, **extra))
        return pb.AppLayout(function_ids=own, objects=objects)

    # Functions

    def function_metadata(self, fn_id: str) -> Any:
        fn = self.functions[fn_id]
        definition, url = fn.definition, f"{self.http}/web/{fn_id}"
        return pb.FunctionHandleMetadata(
            function_name=definition.function_name,
            function_type=definition.function_type,
            app_id=fn.app_id,
            definition_id=f"de-{fn_id}",
            supported_input_formats=definition.supported_input_formats,
            supported_output_formats=definition.supported_output_formats,
            web_url=url if definition.webhook_config.type else None,
            _experimental_flash_urls=[url] if definition.is_server else [],
        )

    def _function_data(self, fn_id: str) -> Any:
        d = self.functions[fn_id].definition
        return pb.FunctionData(
            function_name=d.function_name,
            module_name=d.module_name,
            timeout_secs=d.timeout_secs,
            web_url=d.web_url,
            webhook_config=d.webhook_config,
            is_server=d.is_server,
            http_config=d.http_config,
            autoscaler_settings=d.autoscaler_settings,
            ranked_functions=[pb.FunctionData.RankedFunction(rank=0, function=d)],
        )

    async def FunctionPrecreate(self, r: Any, task: str | None) -> Any:
        fn_id = r.existing_function_id or self.new_id("fu")
        fn = self.functions.setdefault(fn_id, Fn(r.app_id))
        fn.definition = pb.Function(
            function_name=r.function_name, function_type=r.function_type, webhook_config=r.webhook_config
        )
        return pb.FunctionPrecreateResponse(function_id=fn_id, handle_metadata=self.function_metadata(fn_id))

    async def FunctionCreate(self, r: Any, task: str | None) -> Any:
        fn_id = r.existing_function_id or self.new_id("fu")
        ranked = r.function_data.ranked_functions
        await self.stop_serving(fn_id)
        fn = self.functions.setdefault(fn_id, Fn(r.app_id))
        fn.definition, fn.app_id = (ranked[0].function if ranked else r.function), r.app_id
        return pb.FunctionCreateResponse(
            function_id=fn_id,
            function=fn.definition,
            function_data=self._function_data(fn_id),
            handle_metadata=self.function_metadata(fn_id),
        )

    async def FunctionGet(self, r: Any, task: str | None) -> Any:
        found = self.app_named(r.app_name)
        fn_id = found[1].functions.get(r.object_tag) if found else None
        if not fn_id:
            raise missing(f"Function '{r.object_tag}' of app '{r.app_name}'")
        return pb.FunctionGetResponse(
            function_id=fn_id,
            handle_metadata=self.function_metadata(fn_id),
            function=self._function_data(fn_id),
        )

    async def FunctionGetCurrentStats(self, r: Any, task: str | None) -> Any:
        return pb.FunctionStats(num_total_tasks=len(self.alive(r.function_id)))

    async def FunctionUpdateSchedulingParams(self, r: Any, task: str | None) -> Any:
        settings = self.functions[r.function_id].definition.autoscaler_settings
        settings.MergeFrom(r.settings)
        return pb.FunctionUpdateSchedulingParamsResponse(current_settings=settings)

    # Logs

    def _lines(self, r: Any) -> list[Any]:
        return [
            line
            for app_id, fn_id, line in self.logs
            if app_id == r.app_id
            and r.function_id in ("", fn_id)
            and r.function_call_id in ("", line.function_call_id)
        ]

    async def AppFetchLogs(self, r: Any, task: str | None) -> Any:
        items = self._lines(r)[-(r.limit or 10**6) :]
        return pb.AppFetchLogsResponse(batches=[pb.TaskLogsBatch(items=items)])

    async def AppCountLogs(self, r: Any, task: str | None) -> Any:
        return pb.AppCountLogsResponse()


def _mount_metadata() -> Any:
    return pb.MountHandleMetadata(content_checksum_sha256_hex="0")
