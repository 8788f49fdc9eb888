"""The workspace put together."""

from __future__ import annotations

from pathlib import Path

from localcloud.aml import errors
from localcloud.aml.assets import AssetRoutes
from localcloud.aml.catalog import Catalog
from localcloud.aml.cluster import Cluster
from localcloud.aml.door import Door, arm_errors, not_supported
from localcloud.aml.history import HistoryRoutes
from localcloud.aml.journal import Journal
from localcloud.aml.metrics import MetricsRoutes
from localcloud.aml.names import Workspace, container_name
from localcloud.aml.places import PlaceRoutes
from localcloud.aml.routes import JobRoutes
from localcloud.aml.specification import Rulebook
from localcloud.aml.staging import Carrier
from localcloud.aml.store import AssetStore, JobStore
from localcloud.aml.uris import ARTIFACTS_DATASTORE, DEFAULT_DATASTORE, Datastores
from localcloud.aml.workplace import Limits, jobs_folder
from localcloud.config import Resources
from localcloud.database import Database
from localcloud.endpoints import Endpoints
from localcloud.eventgrid.rules import Events
from localcloud.faults.disk import Disk
from localcloud.http import Surroundings, application
from localcloud.identity.rules import Identity
from localcloud.lake.rules import Lake
from localcloud.secrets import Secrets

_MEGABYTE = 2**20


class AzureML:
    """The Azure Machine Learning workspace of an app's declared resources.

    ``app`` can be served at once; jobs run from :meth:`start` to :meth:`stop`. Without an ``aml.job_identity`` jobs
    have the rights of the Function App's principal.
    """

    def __init__(
        self,
        *,
        resources: Resources,
        state: Path,
        endpoints: Endpoints,
        database: Database,
        identity: Identity,
        lake: Lake,
        events: Events,
        secrets: Secrets,
        surroundings: Surroundings,
    ) -> None:
        disk = Disk("jobs", surroundings.faults)
        declared, clock = resources.aml, surroundings.clock
        workspace = Workspace(declared.subscription, declared.resource_group, declared.workspace, declared.region)
        own = {
            DEFAULT_DATASTORE: container_name(f"{workspace.id.lower()}/{workspace.guid}"),
            ARTIFACTS_DATASTORE: "azureml",
        }
        for filesystem in own.values():
            lake.ensure_filesystem(filesystem)
        datastores = Datastores(workspace, resources.account, declared.datastores, own)
        jobs, assets = JobStore(database), AssetStore(database)
        catalog = Catalog(workspace, datastores, assets)
        journal = Journal(database, jobs, events, workspace, clock)
        job_identity = identity.caller(declared.job_identity or resources.functions.principal)
        self._cluster = Cluster(
            folder=jobs_folder(state),
            workspace=workspace,
            journal=journal,
            store=jobs,
            catalog=catalog,
            artifacts=own[ARTIFACTS_DATASTORE],
            carrier=Carrier(lake, job_identity, disk),
            clock=clock,
            limits=Limits(
                nodes=declared.nodes,
                memory=declared.memory_mib * _MEGABYTE,
                outputs=declared.output_mib * _MEGABYTE,
                log=declared.log_mib * _MEGABYTE,
            ),
            endpoint=endpoints.aml,
            faults=surroundings.faults,
            disk=disk,
        )
        surroundings.faults.on_process("job", self._cluster.pids)
        rulebook = Rulebook(workspace, catalog, declared.compute, job_identity.oid)
        self.app = application("aml", surroundings, errors.answer)
        self.app.middlewares.append(arm_errors)
        door = Door(identity, frozenset(declared.users), workspace)
        for routes in (
            JobRoutes(workspace, rulebook, jobs, journal, self._cluster, clock),
            HistoryRoutes(workspace, jobs, self._cluster, clock, secrets.signing_key),
            AssetRoutes(workspace, assets, lake, clock, endpoints.storage),
            PlaceRoutes(workspace, datastores, declared.compute, declared.nodes, lake, endpoints.storage_tls, clock),
            MetricsRoutes(workspace, jobs),
        ):
            routes.add_to(self.app, door)
        self.app.router.add_route("*", r"/{anything:[\s\S]*}", not_supported)

    def start(self) -> None:
        """Go on with the jobs that have not ended; called when the services are there, from the running loop."""
        self._cluster.resume()

    async def stop(self) -> None:
        """End the commands that run; their jobs run again at the next start."""
        await self._cluster.stop()
