"""Who may do what, as access control lists (I15, T11)."""

from collections.abc import Callable

import pytest

from slipway import access

JOB = "10000000-0000-0000-0000-00000000000a"
READERS = ["20000000-0000-0000-0000-000000000002", "20000000-0000-0000-0000-000000000001"]
GRANTS = ",".join(f"group:{one}:r-x" for one in sorted(READERS))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(access.way(), "user::rwx,group::r-x,other::--x", id="a folder on the way"),
        pytest.param(
            access.inputs(JOB),
            f"user::rwx,user:{JOB}:r-x,group::---,mask::r-x,other::---,"
            f"default:user::rwx,default:user:{JOB}:r-x,default:group::---,default:mask::r-x,default:other::---",
            id="staged inputs",
        ),
        pytest.param(
            access.closed_outputs(JOB), f"user::rwx,user:{JOB}:--x,group::---,mask::--x,other::---", id="a closed top"
        ),
        pytest.param(
            access.output(JOB),
            f"user::rwx,user:{JOB}:rwx,group::---,mask::rwx,other::---,"
            f"default:user::rwx,default:user:{JOB}:rwx,default:group::---,default:mask::rwx,default:other::---",
            id="an output folder",
        ),
        pytest.param(access.sealed(), "user::rwx,group::---,other::---", id="a sealed top"),
        pytest.param(access.reader_grant(READERS), f"{GRANTS},mask::r-x", id="readers below the top"),
        pytest.param(
            access.open_outputs(READERS), f"user::rwx,group::---,{GRANTS},mask::r-x,other::---", id="an open top"
        ),
        pytest.param(
            access.readable_file(READERS),
            f"user::rw-,group::---,{GRANTS.replace('r-x', 'r--')},mask::r--,other::---",
            id="a manifest",
        ),
        pytest.param(
            access.published(READERS[:1]),
            f"user::rwx,group::---,group:{READERS[0]}:r-x,mask::r-x,other::---,"
            f"default:user::rwx,default:group::---,default:group:{READERS[0]}:r-x,default:mask::r-x,default:other::---",
            id="the folder of pointers",
        ),
    ],
)
def test_each_folder_has_its_list(made: str, expected: str) -> None:
    """Readable in one place."""
    assert made == expected


@pytest.mark.parametrize("make", [access.published, access.open_outputs, access.reader_grant, access.readable_file])
def test_readers_never_write(make: Callable[[list[str]], str]) -> None:
    """Whatever else a list says, no group and no mask in it has w."""
    for entry in make(READERS).split(","):
        if "user::" not in entry:
            assert "w" not in entry.rpartition(":")[2]


@pytest.mark.parametrize("make", [access.inputs, access.closed_outputs, access.output])
def test_while_a_job_runs_nobody_else_gets_in(make: Callable[[str], str]) -> None:
    """Only the owner and the job have rights."""
    for entry in make(JOB).split(","):
        scope, _, rights = entry.rpartition(":")
        assert rights == "---" or JOB in scope or "user:" in scope or "mask:" in scope


def test_equal_rights_are_equal_texts() -> None:
    """Order, case and repetition of ids make no difference."""
    assert access.open_outputs(READERS) == access.open_outputs([one.upper() for one in reversed(READERS)] * 2)


def test_a_model_without_readers_opens_to_nobody() -> None:
    """Other models read it all the same: Slipway copies for them."""
    assert access.open_outputs([]) == access.sealed()
    assert access.reader_grant([]) == "mask::r-x"


@pytest.mark.parametrize("bad", ["", "analysts", f"{READERS[0]}:rwx,other::rwx", "$superuser", f"{READERS[0]}\n"])
def test_only_object_ids_enter_a_list(bad: str) -> None:
    """T4: nothing can write an entry of its own."""
    with pytest.raises(ValueError, match="is no object id"):
        access.open_outputs([bad])


def test_a_list_holds_thirty_two_entries() -> None:
    """The service's limit; a definition stays below it with its twelve readers."""
    ids = [f"20000000-0000-0000-0000-{n:012}" for n in range(29)]

    assert access.open_outputs(ids[:28]).count(",") == 31
    with pytest.raises(ValueError, match="name fewer readers"):
        access.open_outputs(ids)
