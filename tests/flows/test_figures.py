"""Tables of error figures fit a page."""

from __future__ import annotations

from flows.reports.figures import MOST_COLUMNS, figures_table


def test_few_names_are_columns_and_many_are_rows_with_the_same_figures() -> None:
    figures = {f"model_{i}": {"rmse_hour": 40 + i / 4, "wape": 0.1 + i / 100} for i in range(MOST_COLUMNS + 1)}
    many = figures_table("model", figures)
    assert list(many.columns) == ["model", "RMSE/h", "WAPE"]
    assert list(many.rows[1]) == ["model_1", "40.25", "11.0%"]
    del figures["model_0"]
    few = figures_table("model", figures | {"model_2": {"wape": 0.5}}, title="held out")
    assert list(few.columns) == ["model", *figures]
    assert [list(row)[:3] for row in few.rows] == [["RMSE/h", "40.25", ""], ["WAPE", "11.0%", "50.0%"]]
    assert few.title == "held out"
