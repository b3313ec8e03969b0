"""Labels of config keys, from what the experiment's code says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakebatch.assembly.metrics import with_unit
from lakebatch.experiment import registry
from lakebatch.ids import folder_name
from lakebatch.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

LEVELS = "levels"
"""The config key of the values of the built-in axis."""


def key_label(snapshot: Snapshot, key: str) -> str | None:
    """Return the help of a config key up to its first semicolon, with its unit.

    It is None where the installed code has another experiment version, or no such key, or cannot be loaded.
    """
    field = _field(_config_model(snapshot), key.split("."))
    if field is None or not field.description:
        return None
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return with_unit(field.description.partition(";")[0].strip().rstrip("."), str(extra.get("unit", "1")))


def _config_model(snapshot: Snapshot) -> Any:
    try:
        experiment = registry.load(registry.get(snapshot.name))
    except Exception:  # noqa: BLE001 the code of a user can fail in any way, and is needed for a label only
        return None
    folder = folder_name(experiment.number, experiment.version, experiment.name)
    return experiment.config_model if folder == snapshot.folder else None


def _field(model: Any, steps: list[str]) -> FieldInfo | None:
    """Return a field of a config model by the steps of its dotted key."""
    field: FieldInfo | None = getattr(model, "model_fields", {}).get(steps[0])
    return field if field is None or len(steps) == 1 else _field(field.annotation, steps[1:])
