"""The table of contents of the app: every function is registered here, and nothing else happens."""

from __future__ import annotations

import azure.durable_functions as df
import azure.functions as func

from activities import (
    advance_backfill,
    announce_outputs,
    assess_period,
    cancel_job,
    claim_run,
    close_outputs,
    copy_batch,
    end_orphans,
    finish_run,
    finish_staging,
    give_up,
    grant_readers,
    hold_claim,
    inherit_job,
    judge_failure,
    open_incident,
    plan_staging,
    plan_verification,
    publish_outputs,
    read_job,
    record_run,
    report_late,
    resolve_incident,
    roll_forward,
    seal_outputs,
    start_run,
    submit_job,
    verify_batch,
    withdraw_rights,
    write_manifest,
)
from orchestrators import await_job, drive_backfill, end_job, evaluate_period, run_model, stage_inputs, verify_outputs
from triggers import (
    backfill_pages,
    backfills,
    commands,
    data_landed,
    doctor,
    history,
    incidents,
    job_changed,
    lineage,
    models,
    openapi,
    overview,
    page_changes,
    pages,
    periods,
    reconcile,
    retention,
    run_files,
    runs,
    search,
)

TRIGGERS = (
    backfill_pages,
    backfills,
    data_landed,
    job_changed,
    reconcile,
    retention,
    runs,
    periods,
    commands,
    history,
    models,
    search,
    incidents,
    run_files,
    lineage,
    overview,
    doctor,
    openapi,
    pages,
    page_changes,
)
ORCHESTRATORS = (evaluate_period, run_model, stage_inputs, await_job, verify_outputs, end_job, drive_backfill)
ACTIVITIES = (
    advance_backfill,
    announce_outputs,
    assess_period,
    cancel_job,
    claim_run,
    close_outputs,
    copy_batch,
    end_orphans,
    finish_run,
    finish_staging,
    give_up,
    grant_readers,
    hold_claim,
    inherit_job,
    judge_failure,
    open_incident,
    plan_staging,
    plan_verification,
    publish_outputs,
    read_job,
    record_run,
    report_late,
    resolve_incident,
    roll_forward,
    seal_outputs,
    start_run,
    submit_job,
    verify_batch,
    withdraw_rights,
    write_manifest,
)

# Anonymous for the host: the platform's authentication stands in front, and the app checks the principal's role.
app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for module in (*TRIGGERS, *ORCHESTRATORS, *ACTIVITIES):
    app.register_functions(module.bp)
