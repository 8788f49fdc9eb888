"""What the local cloud is made of: its ports, and the resources an app declares in ``localcloud.yaml``.

``localcloud.yaml`` stands in for deployed infrastructure: principals, filesystems, roles, subscriptions, app settings.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from localcloud.eventgrid.operators import AdvancedFilter

#: Namespace of the object ids of principals and groups, and of the tenant's id.
NAMESPACE = uuid.UUID("6c6f6361-6c63-6c6f-7564-000000000000")
TENANT_ID = str(uuid.uuid5(NAMESPACE, "tenant"))
#: Azurite's well-known account and key.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

BLOB_ROLES = ("Storage Blob Data Owner", "Storage Blob Data Contributor", "Storage Blob Data Reader")
QUEUE_ROLES = (
    "Storage Queue Data Contributor",
    "Storage Queue Data Reader",
    "Storage Queue Data Message Processor",
    "Storage Queue Data Message Sender",
)

Place = tuple[int | str, ...]
Problem = tuple[Place, str]


class ConfigError(ValueError):
    """The cloud cannot be made as declared; the text names file, line, rule and remedy."""


def oid(name: str) -> str:
    """Return the object id of the principal or group called ``name``."""
    return str(uuid.uuid5(NAMESPACE, name))


@dataclass(frozen=True)
class Ports:
    """Where the services listen on 127.0.0.1; 0 means a free port, None not at all."""

    functions: int = 7071
    storage: int = 10000
    storage_tls: int = 10443
    aml: int = 10444
    aml_http: int | None = None
    eventgrid: int = 10445
    identity: int = 10446
    control: int = 7070
    slot: int | None = None


class _Declared(BaseModel):
    """Base of what stands in ``localcloud.yaml``: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _storage_name(name: str) -> str:
    shape = name.replace("-", "a")
    if not (3 <= len(name) <= 63 and shape.isascii() and shape.isalnum() and shape == shape.lower()):
        raise ValueError(f"{name!r}: filesystems and queues have 3 to 63 characters of a-z, 0-9 and single hyphens")
    return name


def _role(role: str) -> str:
    if role not in BLOB_ROLES + QUEUE_ROLES:
        raise ValueError(f"{role!r} is no role of storage; known: {', '.join(BLOB_ROLES + QUEUE_ROLES)}")
    return role


StorageName = Annotated[str, AfterValidator(_storage_name)]


class Principal(_Declared):
    """Someone who can have a token: an app, a job, a person."""

    groups: list[str] = []
    app_roles: list[str] = []


class Filesystem(_Declared):
    """A filesystem of the lake; ``acl`` is its root's, e.g. ``user::rwx,group::r-x,other::--x``."""

    acl: str | None = None


class RoleAssignment(_Declared):
    """A data role for a principal or group on a filesystem or queue; scope ``""`` is the whole account."""

    principal: str
    role: Annotated[str, AfterValidator(_role)]
    scope: str = ""


class Storage(_Declared):
    """The storage account."""

    filesystems: dict[StorageName, Filesystem] = {}
    queues: list[StorageName] = []
    roles: list[RoleAssignment] = []


class Workspace(_Declared):
    """The Azure ML workspace; ``datastores`` maps their names to filesystems, ``job_identity`` is the compute's.

    ``users`` may call it. ``nodes`` jobs run at once; each process of a job may have ``memory_mib`` of address space
    (0: no limit), a job's outputs ``output_mib``, its log ``log_mib``.
    """

    subscription: str = "00000000-0000-0000-0000-000000000001"
    resource_group: str = "local"
    workspace: str = "local"
    region: str = "local"
    compute: list[str] = ["cpu-cluster"]
    datastores: dict[str, str] = {}
    job_identity: str | None = None
    users: list[str] = ["app", "developer"]
    nodes: int = Field(2, ge=1, le=64)
    memory_mib: int = Field(0, ge=0)
    output_mib: int = Field(20_480, ge=1)
    log_mib: int = Field(64, ge=1)


class Subscription(_Declared):
    """Which events of ``source`` (storage, aml or a topic) go to a function, a queue or a webhook."""

    name: str
    source: str
    function: str | None = None
    queue: str | None = None
    webhook: str | None = None
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    subject_case_sensitive: bool = False
    types: list[str] = []
    schema_: Literal["EventGridSchema", "CloudEventSchemaV1_0"] = Field("EventGridSchema", alias="schema")
    advanced_filters: list[AdvancedFilter] = Field([], max_length=25)
    max_events_per_batch: int = Field(1, ge=1, le=5000)
    max_delivery_attempts: int = Field(30, ge=1, le=30)
    event_ttl_minutes: int = Field(1440, ge=1, le=1440)
    dead_letter: str | None = None

    @model_validator(mode="after")
    def _one_destination(self) -> Subscription:
        if sum(target is not None for target in (self.function, self.queue, self.webhook)) != 1:
            raise ValueError(f"subscription {self.name!r} names exactly one of function, queue and webhook")
        return self


class EventGrid(_Declared):
    """Custom topics, and the subscriptions to them and to the storage account and workspace."""

    topics: list[str] = []
    subscriptions: list[Subscription] = []


Settings = dict[str, str | int | bool | dict[str, Any] | list[Any]]
SlotName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,58}$")]


class FunctionApp(_Declared):
    """The Function App: whose identity it has, who an unauthenticated caller is, and its app settings.

    Settings are texts with ``{placeholders}``; a mapping or list is handed over as JSON. Variables of the developer's
    environment that begin with ``override_prefix`` override them. ``slots`` are deployment slots by name, each with
    the settings that are its own.
    """

    principal: str = "app"
    development_principal: str | None = "developer"
    override_prefix: str | None = None
    settings: Settings = {}
    slots: dict[SlotName, Settings] = {}


class Resources(_Declared):
    """All that an app declares; without a ``localcloud.yaml`` an ``app`` that owns the account and a ``developer``."""

    account: str = ACCOUNT
    groups: list[str] = []
    principals: dict[str, Principal] = {"app": Principal(), "developer": Principal()}
    storage: Storage = Storage()
    aml: Workspace = Workspace()
    eventgrid: EventGrid = EventGrid()
    functions: FunctionApp = FunctionApp()

    @classmethod
    def load(cls, app: Path) -> Resources:
        """Read ``<app>/localcloud.yaml``; raises :class:`ConfigError` with file and line."""
        path = app / "localcloud.yaml"
        if not path.exists():
            owner = RoleAssignment(principal="app", role=BLOB_ROLES[0])
            queues = RoleAssignment(principal="app", role=QUEUE_ROLES[0])
            return cls(storage=Storage(roles=[owner, queues]))
        return _parse(path)

    def problems(self) -> Iterator[Problem]:
        """Yield each name that is used and not declared, with its place in the document."""
        if self.account != ACCOUNT:
            yield ("account",), f"only Azurite's well-known {ACCOUNT!r} is served; leave the key out"
        yield from self._unknown_principals()
        yield from self._unknown_places()
        yield from self._unknown_sources()

    def _unknown_principals(self) -> Iterator[Problem]:
        app = self.functions
        named: dict[Place, str | None] = {
            ("functions", "principal"): app.principal,
            ("functions", "development_principal"): app.development_principal,
            ("aml", "job_identity"): self.aml.job_identity,
        }
        yield from (
            (place, f"no principal {name!r}") for place, name in named.items() if name not in {None, *self.principals}
        )
        for index, role in enumerate(self.storage.roles):
            if role.principal not in {*self.principals, *self.groups}:
                yield ("storage", "roles", index), f"no principal or group {role.principal!r}"
        for name, principal in self.principals.items():
            for group in set(principal.groups) - set(self.groups):
                yield ("principals", name, "groups"), f"no group {group!r}"

    def _unknown_places(self) -> Iterator[Problem]:
        places = {"", *self.storage.filesystems, *self.storage.queues}
        for index, role in enumerate(self.storage.roles):
            if role.scope not in places:
                yield ("storage", "roles", index), f"no filesystem or queue {role.scope!r}"
        for datastore, filesystem in self.aml.datastores.items():
            if filesystem not in self.storage.filesystems:
                yield ("aml", "datastores", datastore), f"no filesystem {filesystem!r}"

    def _unknown_sources(self) -> Iterator[Problem]:
        sources = {"storage", "aml", *self.eventgrid.topics}
        for index, one in enumerate(self.eventgrid.subscriptions):
            place: Place = ("eventgrid", "subscriptions", index)
            if one.source not in sources:
                yield (*place, "source"), f"no topic {one.source!r}; known: {', '.join(sorted(sources))}"
            if one.queue and one.queue not in self.storage.queues:
                yield (*place, "queue"), f"no queue {one.queue!r}"
            if one.dead_letter and one.dead_letter not in self.storage.filesystems:
                yield (*place, "dead_letter"), f"no filesystem {one.dead_letter!r}"


def _parse(path: Path) -> Resources:
    text = path.read_text(encoding="utf-8")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise ConfigError(f"{path}: not YAML: {problem}") from problem
    problems = list(_repeated_keys(tree))
    try:
        resources = Resources.model_validate(document)
        problems += resources.problems()
    except ValidationError as refused:
        problems += [(e["loc"], e["msg"]) for e in refused.errors()]
    if problems:
        raise ConfigError(
            "\n".join(f"{path}:{_line(tree, p)}: {'.'.join(map(str, p))}: {says}" for p, says in problems)
        )
    return resources


def _repeated_keys(node: yaml.Node | None, place: Place = ()) -> Iterator[Problem]:
    """Yield the keys that a mapping holds twice: YAML loaders silently take the last one."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield (*place, key.value), "stands here twice"
            seen.add(key.value)
            yield from _repeated_keys(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated_keys(value, (*place, index))


def _line(node: yaml.Node | None, place: Place) -> int:
    """Return the line (from 1) of the deepest part of ``place`` that the document has."""
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            key, node = found[-1]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
