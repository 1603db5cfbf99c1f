"""From the columns of a table to the keys of its source, or to what must be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tasks.errors import SourceError
from tasks.ingest.formats.unnest import SLOT
from tasks.ingest.inspect.answers import Answers, Choice, Question
from tasks.ingest.inspect.dated import add_days, check_calendars
from tasks.ingest.inspect.directions import check_ways_in_names
from tasks.ingest.inspect.filters import Filter, answered_filter, choose_filter, chosen_rows
from tasks.ingest.inspect.negatives import ask_refunds
from tasks.ingest.inspect.people import choose_people, which_count
from tasks.ingest.inspect.places import choose_stations
from tasks.ingest.inspect.profile import Column
from tasks.ingest.inspect.proposal import Proposal
from tasks.ingest.inspect.samples import Table
from tasks.ingest.inspect.time_columns import When
from tasks.ingest.inspect.times import choose_times
from tasks.ingest.inspect.totals import choose_excluded, find_totals, with_totals
from tasks.ingest.inspect.understood import Understood
from tasks.ingest.inspect.weekdays import read_weeks
from tasks.ingest.inspect.wide import VALUE, turn_columns, with_ends
from tasks.ingest.inspect.words import words_of
from tasks.ingest.inspect.written import choose_writing
from tasks.time_formats import SLOT as SLOT_OF_DAY

_MOSTLY = 0.5
_STEPS = frozenset({"interval", "step", "resolution", "granularity", "period", "schritt", "intervall", "pas"})
_STOCKS = frozenset({"num_bikes_available", "num_vehicles_available", "num_docks_available"})


def propose(table: Table, answers: Answers) -> Proposal:
    """Keys that read a table, or what must be asked first.

    Raises:
        ConfigError: if an answer does not fit the files.
        SourceError: if they cannot be read into minutes at all.
    """
    _check_stocks(table.names)
    table = _without_slot(table)
    check_calendars({name: table.profile(name) for name in table.names})
    turned = turn_columns(table, answers.unpivot, answers.unpivot_exclude)
    if turned.value is None:
        return Proposal(questions=turned.questions)
    weeks = read_weeks(turned.value, answers, dated=False)
    dated = Choice[Table]() if weeks.value is None else add_days(turned.value, weeks.value)
    if dated.value is None or weeks.value is None:
        return Proposal(questions=[*weeks.questions, *dated.questions])
    table = dated.value
    weeks = read_weeks(table, weeks.value, dated=True)
    if weeks.value is None:
        return Proposal(questions=weeks.questions)
    answers = with_ends(weeks.value, table)
    if "unpivot" in table.shape and not (answers.count or answers.entries or answers.exits):
        answers = replace(answers, count=(VALUE,))  # a total that stands beside them would count everybody again
    return _propose_rows(table, answers, {**turned.notes, **dated.notes})


def _propose_rows(table: Table, answers: Answers, understood: Mapping[str, str]) -> Proposal:
    """The proposal of a table whose rows are as they will be read.

    Args:
        table: with its columns turned and its days added.
        answers: of the command line.
        understood: of the table so far, by subject.

    Raises:
        ConfigError, SourceError: see `propose`.
    """
    table, columns, answered = _filter_rows(table, answers)
    if table.shape.get("delimiter") == "blanks":
        _check_fixed_width(columns)
    times = choose_times(table, columns, answers)
    if times.value is None:
        return Proposal(questions=times.questions)
    when = times.value
    used = [*when.start.names, *(when.end.names if when.end else ())]
    places = choose_stations(columns, used, answers)
    where = places.value
    trips = bool(when.end and where and where.end)
    _check_blanks([columns[name] for name in (*when.start.names, where.start)] if where and not trips else [])
    taken = [*used, *((where.start, *((where.end,) if where.end else ())) if where else ())]
    people = choose_people(columns, taken, answers, trips=trips)
    notes = {**understood, **times.notes, "time zone": _zone_text(answers), **places.notes, **people.notes}
    questions = [*times.questions, *places.questions, *people.questions, *_ask_zone(when, answers)]
    if where is None or people.value is None:
        return Proposal(questions=questions, notes=notes)
    check_ways_in_names(columns)
    directed = [target.where[0] for target in people.value.targets.values() if target.where]
    named = [target.column for target in people.value.targets.values() if target.column]
    _check_items(table, [*used, where.start], named)
    _check_steps(table, columns, when.start.formats)
    _check_names(table, [*taken, *directed, *named])
    chosen = choose_filter(columns, [*taken, *directed, *named], answers, answered)
    written = choose_writing([columns[name] for name in named], answers)
    found = Understood(table, columns, when, where, people.value, written.value or {}, answers)
    rest = found.as_trips() if found.is_events else found.as_counts()
    counted = ~np.isnat(when.start.utc(table, "UTC"))
    excluded = choose_excluded(columns[where.start], counted, found.find_sums(), answers)
    totals = find_totals(columns, where) if any(t.column for t in people.value.targets.values()) else {}
    source = {**rest.source, **with_totals(chosen.value or {}, totals)}
    asked = [*questions, *chosen.questions, *written.questions, *excluded.questions, *rest.questions]
    alike = _name_alike(found.find_aliases())
    asked += [] if any(question.option == "--count" for question in asked) else _ask_person(found, answers)
    notes |= {"rows left out": f"totals: {totals}"} if totals else {}
    summary = {**notes, **alike.notes, **chosen.notes, **written.notes, **excluded.notes, **rest.notes}
    kept = {key: value for key, value in (("exclude", excluded.value), ("aliases", alike.value)) if value}
    return replace(rest, source=source, questions=asked, notes=summary, stations=kept)


def _without_slot(table: Table) -> Table:
    """A table without the places of items in their lists, where a column has their times."""
    if SLOT not in table.names or not table.shape.get("unnest"):
        return table
    timed = any(table.profile(name).time_formats for name in table.names if name in table.shape["unnest"])
    return replace(table, names=tuple(name for name in table.names if name != SLOT)) if timed else table


def _check_items(table: Table, used: Sequence[str], counts: Sequence[str]) -> None:
    """Whether items of lists have a time or a station of their own, and the people are theirs.

    Args:
        table: with its lists unnested.
        used: columns of the time and the station.
        counts: those of people.

    Raises:
        SourceError: if all items of a record have the same, so that they would be counts of one interval, or count
            those of the record again.
    """
    if not _has_lists(table):
        return
    paths = table.shape["unnest"]
    own = [name for name in (*used, *counts) if _is_of_item(name, paths)]
    if again := [name for name in counts if name not in own]:
        raise SourceError(
            f"column {again[0]!r} stands once per record, and would count again with each item of {', '.join(paths)}: "
            "--unnest none reads the records, or name the people of the items, --count COLUMN"
        )
    if SLOT in table.names and not {*used} & {*own}:
        raise SourceError(
            f"each item of {', '.join(paths)} is a row, and neither its time nor its station stands in it: export a "
            "time per item, or a date whose items are all intervals of the day (the column slot numbers them)"
        )


def _has_lists(table: Table) -> bool:
    """Whether each row is an item of a list, and no column of it."""
    return bool(table.shape.get("unnest")) and "unpivot" not in table.shape


def _check_steps(table: Table, columns: Mapping[str, Column], formats: Sequence[str]) -> None:
    """Whether the slots of lists are as long as a column says.

    Raises:
        SourceError: if they are not, so that the items are of a part of the day.
    """
    slots = [int(found[1]) for text in formats if (found := SLOT_OF_DAY.search(text))]
    for column in columns.values() if slots and _has_lists(table) else ():
        stated = float(column.texts[0]) if len(column.texts) == 1 and column.is_whole else slots[0]
        if _STEPS & {*words_of(column.name)} and stated not in (slots[0], slots[0] * 60):
            raise SourceError(
                f"column {column.name!r} says {column.texts[0]}, and the lists have as many items as a day has "
                f"intervals of {slots[0]} minutes: export a time per item"
            )


def _is_of_item(name: str, paths: Sequence[str]) -> bool:
    return name == SLOT or any(name == path or name.startswith(f"{path}.") for path in paths)


def _name_alike(aliases: dict[str, str]) -> Choice[dict[str, str]]:
    """Stations that are written in two ways, to be read as one."""
    text = ", ".join(f"{alias} is {name}" for alias, name in aliases.items())
    return Choice(aliases, (), {"stations written alike": text} if aliases else {})


def _filter_rows(table: Table, answers: Answers) -> tuple[Table, dict[str, Column], Filter]:
    """The rows that the answers let through, their columns, and what was answered."""
    columns = {name: table.profile(name) for name in table.names}
    if not (answered := answered_filter(columns, answers)):
        return table, columns, answered
    table = table.only(chosen_rows(columns, answered))
    return table, {name: table.profile(name) for name in table.names}, answered


def _ask_person(found: Understood, answers: Answers) -> list[Question]:
    """What to ask of rows that count nobody: they may be vehicles, incidents or refunds."""
    targets, columns = found.people.targets.values(), found.columns.values()
    refunds = ask_refunds(columns, answers) if found.is_events and not any(t.column for t in targets) else []
    if answers.count or answers.entries or found.where.end or any(t.column or t.where for t in targets):
        return refunds
    if any(column.hints_at("person") or _is_trip_of_one(column) for column in columns):
        return refunds
    return [which_count([], "Nothing says that a row is a person."), *refunds]


def _is_trip_of_one(column: Column) -> bool:
    """Whether it numbers trips of one row each, which are people's; a vehicle's trip has a row per stop."""
    return column.hints_at("vehicle trip") and len(column.texts) == len(column.codes)


def _check_names(table: Table, used: Sequence[str]) -> None:
    """Whether no two columns are called as one that is used.

    Raises:
        SourceError: if two are.
    """
    twice = [name for name in used if table.names.count(name) > 1]
    if twice:
        names = ",".join(name if table.names.count(name) == 1 else f"NAME{i}" for i, name in enumerate(table.names, 1))
        skipped = table.shape.get("skip_rows", 0) + 1
        raise SourceError(
            f"{table.names.count(twice[0])} columns are called {twice[0]!r}: give each its own name, "
            f"--header '{names}' --skip-rows {skipped}"
        )


def _check_stocks(names: Sequence[str]) -> None:
    """Whether columns are no recorded status of a bike-share feed.

    Raises:
        SourceError: if they are.
    """
    if any(name.split(".")[-1] in _STOCKS or name == "data.stations" for name in names):
        raise SourceError(
            "the files hold stocks of a bike-share feed (station_status of GBFS), and no counts: a source of "
            'kind = "gbfs" makes departures and arrivals of them; docs/ingest.md has an example'
        )


def _check_blanks(columns: Sequence[Column]) -> None:
    """Whether rows say when and where they are of.

    Raises:
        SourceError: if most do not.
    """
    for column in columns:
        if column.blank > _MOSTLY:
            raise SourceError(
                f"column {column.name!r} is blank in {column.blank:.0%} of the rows: if they mean what stands above, "
                "as in a report, fill it down before you save it"
            )


def _check_fixed_width(columns: Mapping[str, Column]) -> None:
    """Whether columns of fixed width line up.

    Raises:
        SourceError: if a value runs on into the next column.
    """
    for column in columns.values():
        for text in column.texts:
            if "  " in text:
                raise SourceError(
                    f"column {column.name!r} has {text[:60]!r}: columns do not stand where the rule of dashes "
                    "says they do: give --header NAME,NAME,... --delimiter blanks and --skip-rows, or save it as CSV"
                )


def _zone_text(answers: Answers) -> str:
    return answers.timezone or "times say their offset; days and weeks follow UTC: --timezone gives the city's"


def _ask_zone(when: When, answers: Answers) -> list[Question]:
    if answers.timezone or all(each.offset or each.in_utc for each in (when.start, when.end) if each):
        return []
    text = "The times have no offset: which time zone's clocks do they show?"
    return [Question("--timezone", text, [("Europe/London", "for example; UTC where they are UTC")])]
