"""Which keys of ``key=value`` an input has a use for."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from plait import Plait
from plait.cli.failures import CommandError
from plait.cli.inputs import read_input


class Plain(BaseModel):
    folder: str = "here"


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    folder: str = Field("here", alias="dir")
    size: int = Field(0, validation_alias=AliasChoices("bytes", AliasPath("file", "size")))


class Nested(BaseModel):
    folder: str = "here"
    inner: "Nested | None" = None


class Raw(BaseModel):
    folder: str = "here"

    @model_validator(mode="before")
    @classmethod
    def take_old_name(cls, data: Any) -> Any:
        return {"folder": data["old"]} if "old" in data else data


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    folder: str = "here"


class Typed(TypedDict, total=False):
    folder: str


@dataclass
class Data:
    folder: str = "here"


def declare(kind):
    workflow = Plait().workflow(name="w", input_validator=kind)
    workflow.task(name="t")(lambda input, ctx: None)
    return workflow


@pytest.mark.parametrize("kind", [Plain, Nested, Typed, Data])
def test_a_key_that_is_no_field_is_refused_with_the_nearest(kind):
    workflow = declare(kind)
    with pytest.raises(CommandError, match=r"input has no field 'foldr' \(did you mean 'folder'\?\)"):
        read_input(workflow, None, None, ["foldr=x"])
    assert "x" in str(read_input(workflow, None, None, ["folder=x"]))


@pytest.mark.parametrize("pair", ["folder=x", "dir=x", "bytes=1", 'file={"size": 1}'])
def test_a_field_has_all_its_aliases(pair):
    workflow = declare(Aliased)
    assert read_input(workflow, None, None, [pair]) != Aliased()


@pytest.mark.parametrize(("kind", "pair"), [(Raw, "old=x"), (Open, "more=x"), (dict[str, str], "any=x"), (None, "a=x")])
def test_a_key_that_somebody_may_use_is_let_through(kind, pair):
    workflow = declare(kind)
    assert "x" in repr(read_input(workflow, None, None, [pair]))


def test_json_from_elsewhere_may_have_more_than_the_fields():
    workflow = declare(Plain)
    assert read_input(workflow, json.dumps({"folder": "x", "more": 1}), None, []) == Plain(folder="x")
