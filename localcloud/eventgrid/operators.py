"""Advanced filters as they are declared: their operators, and what each compares with."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FilterOperator = Literal[
    "NumberIn",
    "NumberNotIn",
    "NumberLessThan",
    "NumberLessThanOrEquals",
    "NumberGreaterThan",
    "NumberGreaterThanOrEquals",
    "NumberInRange",
    "NumberNotInRange",
    "BoolEquals",
    "StringIn",
    "StringNotIn",
    "StringContains",
    "StringNotContains",
    "StringBeginsWith",
    "StringNotBeginsWith",
    "StringEndsWith",
    "StringNotEndsWith",
    "IsNullOrUndefined",
    "IsNotNull",
]
#: What an advanced filter compares with, by its operator: the key that holds it, the type of each, how to say it.
#: Source: Event Grid, "Understand event filtering", and the models of azure-mgmt-eventgrid.
_NUMBER, _TEXT = "a number", "a text of up to 512 characters"
_RANGE, _TRUTH = "a pair [from, to] of numbers", "true or false"
_OPERANDS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("NumberIn", "NumberNotIn"), ("values", _NUMBER)),
    **dict.fromkeys(("NumberInRange", "NumberNotInRange"), ("values", _RANGE)),
    **dict.fromkeys(("NumberLessThan", "NumberLessThanOrEquals"), ("value", _NUMBER)),
    **dict.fromkeys(("NumberGreaterThan", "NumberGreaterThanOrEquals"), ("value", _NUMBER)),
    "BoolEquals": ("value", _TRUTH),
    **{f"String{which}": ("values", _TEXT) for which in ("In", "Contains", "BeginsWith", "EndsWith")},
    **{f"StringNot{which}": ("values", _TEXT) for which in ("In", "Contains", "BeginsWith", "EndsWith")},
}


class AdvancedFilter(BaseModel):
    """One advanced filter of a subscription, as the REST API has it: ``values`` or ``value``, as its operator wants."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator_type: FilterOperator = Field(alias="operatorType")
    key: str = Field(min_length=1)
    values: list[Any] = Field([], max_length=25)
    value: Any = None

    @model_validator(mode="after")
    def _fits_its_operator(self) -> AdvancedFilter:
        given = {key for key in ("values", "value") if getattr(self, key) not in (None, [])}
        operands = _OPERANDS.get(self.operator_type)
        if operands is None:
            if given:
                raise ValueError(f"{self.operator_type} compares with nothing; leave {min(given)} out")
            return self
        key, each = operands
        operand = self.values if key == "values" else [self.value]
        if given != {key}:
            raise ValueError(f"{self.operator_type} compares with {key}: {'a list, each ' * (key == 'values')}{each}")
        for one in operand:
            if not _is(each, one):
                raise ValueError(f"{self.operator_type} compares with {each}, not {one!r}")
        return self


def _is(kind: str, value: Any) -> bool:
    """Say whether an operand of an advanced filter is of its kind."""
    if kind == _RANGE:
        return isinstance(value, list) and len(value) == 2 and all(_is(_NUMBER, one) for one in value)
    if kind == _NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool) if kind == _TRUTH else isinstance(value, str) and len(value) <= 512
