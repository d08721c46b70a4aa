"""Runs become rows: medians over equal runs, ratios to Kamailio, a table for people and JSON for machines."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

from .load import Measured
from .systems import KAMAILIO

Row = Mapping[str, object]

COLUMNS = {
    "system": "system",
    "job": "job",
    "rate": "calls/s",
    "cpu_per_1000": "CPU s/1000",
    "ratio": "x Kamailio",
    "p50_100": "100 p50 ms",
    "p99_180": "180 p99 ms",
    "p50_200": "200 p50 ms",
    "p99_200": "200 p99 ms",
    "successful": "ok",
    "failed": "failed",
    "retransmissions": "retrans.",
    "highest_rate": "highest calls/s",
    "megabytes_per_1000": "MB/1000 live",
}


def as_row(run: Measured) -> Row:
    values = dataclasses.asdict(run)
    latency = values.pop("latency")
    return {**values, **latency, "clean": run.clean}


def medians(rows: Iterable[Row]) -> list[Row]:
    """One row for each system, job and rate. Calls are added up, everything else is the median of its runs."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["system"], row["job"], row["rate"]), []).append(row)
    return [_median(runs) for runs in groups.values()]


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """CPU per call over Kamailio's at the same rate: it varies less between machines and hours than seconds do."""
    yardstick = {row["rate"]: row["cpu_per_1000"] for row in rows if row["system"] == KAMAILIO}
    return [{**row, "ratio": _ratio(row["cpu_per_1000"], yardstick.get(row["rate"]))} for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Columns that no row has a value for are left out."""
    used = [name for name in COLUMNS if any(row.get(name) is not None for row in rows)]
    lines = [[COLUMNS[name] for name in used], *([_cell(row.get(name)) for name in used] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(used))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _median(runs: Sequence[Row]) -> Row:
    added = {name: sum(_number(run[name]) for run in runs) for name in ("successful", "failed", "retransmissions")}
    middle = {
        name: statistics.median(_number(run[name]) for run in runs)
        for name in ("cpu_per_1000", "p50_100", "p99_180", "p50_200", "p99_200")
        if all(run[name] is not None for run in runs)
    }
    blank = dict.fromkeys(("cpu_per_1000", "p50_100", "p99_180", "p50_200", "p99_200"))
    return {**runs[0], **blank, **added, **middle, "runs": len(runs), "clean": all(run["clean"] for run in runs)}


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


def _ratio(mine: object, theirs: object) -> float | None:
    return round(_number(mine) / _number(theirs), 2) if mine and theirs else None


def _cell(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
