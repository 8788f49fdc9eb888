"""A job document as azure-ai-ml reads it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slipway.failure import Failed, Failure, Kind

if TYPE_CHECKING:
    from azure.ai.ml.entities import Job

#: What azure-ai-ml complains about, in the middle of what it says about schemas, links and editors.
_COMPLAINT = re.compile(r"Schema failed:\s*(\{(?:(?!Schema failed:).)*?\})\s*If you", re.DOTALL)


def read(document: Mapping[str, Any]) -> Job:
    """Return what azure-ai-ml makes of a document that follows the schema of a command job's YAML.

    Raises:
        Failed: `job-document` (model, permanent), with azure-ai-ml's complaint.
    """
    from azure.ai.ml import load_job

    try:
        return load_job(io.StringIO(json.dumps(document)))
    except Exception as error:  # several unrelated classes: azure-ai-ml's, marshmallow's, plain ones
        message = f"azure-ai-ml does not read this job: {_complaint(str(error))}"
        raise Failed(Failure(Kind.MODEL, "job-document", message)) from error


def _complaint(text: str) -> str:
    plain = text.replace("\\n", "\n").replace('\\"', '"')
    found = _COMPLAINT.search(plain)
    return " ".join((found[1] if found else plain).split())
