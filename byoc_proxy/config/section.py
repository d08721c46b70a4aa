"""What all sections of the configuration file have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from byoc_proxy.config.fields import Count

Limit = Annotated[Count, Field(ge=1)]


class Section(BaseModel):
    """A mapping whose unknown keys are errors and whose values never appear in one."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_written_is_nothing_set(cls, value: Any) -> Any:
        return {} if value is None else value
