"""Settings of feeds: what cannot be asked, what belongs in the environment, and one clear line for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tasks.settings.secrets import fill_variables, mask_url, secrets
from tasks.settings.sources.http import HttpSource
from tasks.settings.toml_file import load_settings

FEED = '[[sources]]\nname = "a"\nkind = "http"\n'
URL = 'url = "https://example.org/counts"\n'


def refusal(folder: Path, text: str) -> str:
    path = folder / "nexthour.toml"
    path.write_text(FEED + text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "sources.0.url is missing"),
        (
            'url = "file:///etc/passwd"',
            "url 'file:///etc/passwd' is no address: it begins with http:// or https:// and",
        ),
        ('url = "https:///counts"', "is no address"),
        ('url = "http://[::1/counts"', "url is no address: Invalid IPv6 URL"),
        ('url = "http://host:port/counts"', "url is no address: Port could not be cast"),
        ('url = "https://me:pw@example.org/c"', "url of https://example.org/c holds a password: write headers = "),
        ('url = "https://example.org/c?api_key=12345"', 'holds api_key: write params = { api_key = "env:NAME" }'),
        (URL + 'headers = { Authorization = "Bearer 12345" }', "headers.Authorization looks like a secret"),
        (URL + 'headers = { X-Api-Key = "12345" }', 'in the environment: write X-Api-Key = "env:NAME"'),
        (URL + 'params = { subscription-key = "12345" }', "params.subscription-key looks like a secret"),
        (URL + 'headers = { "X Agency" = "a" }', "headers: 'X Agency' is no name of a header"),
        (URL + 'headers = { X-Agency = "a\\nb" }', "headers.X-Agency holds characters that cannot be sent"),
        (URL + 'cursor = "since"', "cursor and next need one another"),
        (URL + 'next = "meta.next"', "cursor and next need one another"),
        (URL + 'first = "1"', "first needs cursor"),
        (URL + 'format = "csv"\ncursor = "c"\nnext = "meta.next"', "next = 'meta.next' is a path in JSON"),
        (URL + 'format = "xml"', "sources.0.format: Input should be 'auto', 'json' or 'csv' (given 'xml')"),
        (URL + "columns = { entires = 'n' }", "columns.entires is unknown; did you mean 'entries'?"),
        (URL + 'timezone = "Mars"', "Mars"),
        (URL + "retry = 1", "sources.0.retry is an unknown key; did you mean 'retries'?"),
        (URL + "max_pages = 0", "sources.0.max_pages: Input should be greater than or equal to 1"),
    ],
)
def test_a_feed_that_cannot_be_asked_is_rejected_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    said = refusal(tmp_path, text)
    assert line in said
    assert "12345" not in said
    assert "pw" not in said.replace("passwd", "").replace("password", "")


def test_everything_may_be_said_and_is_described(tmp_path: Path) -> None:
    path = tmp_path / "nexthour.toml"
    path.write_text(
        FEED
        + URL
        + 'format = "json"\nrecords = "data.counts"\nheaders = { Authorization = "Bearer env:TOKEN", X-Agency = "ours" }\n'
        + 'params = { api_key = "env:KEY", area = "north" }\ncursor = "since"\nnext = "meta.next"\n'
        + "first = 2024-05-10T00:00:00Z\nresume = false\n"
    )
    source = load_settings(path).sources[0]
    assert isinstance(source, HttpSource)
    assert source.first == "2024-05-10T00:00:00+00:00"
    own = HttpSource.model_fields.keys() - {"name", "kind"}
    assert [name for name in own if not HttpSource.model_fields[name].description] == []


def test_values_are_filled_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", " k \n")
    monkeypatch.setenv("LONG", "k-and-more")
    monkeypatch.delenv("GONE", raising=False)
    values = {"a": "env:KEY", "b": "Bearer env:LONG", "c": "plain", "d": "an env:KEY inside"}
    assert fill_variables("feed", "headers", values) == {
        "a": "k",
        "b": "Bearer k-and-more",
        "c": "plain",
        "d": "an env:KEY inside",
    }
    assert secrets(values) == ("k-and-more", "k")
    with pytest.raises(ConfigError) as caught:
        fill_variables("feed", "headers", {"Authorization": "env:GONE"})
    assert (
        str(caught.value)
        == "source 'feed': headers.Authorization needs the environment variable GONE, which is not set"
    )
    monkeypatch.setenv("GONE", "a\nb")
    with pytest.raises(ConfigError, match=r"GONE holds characters that cannot be sent$"):
        fill_variables("feed", "headers", {"Authorization": "env:GONE"})


def test_an_address_is_shown_without_what_may_be_secret() -> None:
    assert mask_url("https://me:pw@example.org:8443/a/b?key=1#c") == "https://example.org:8443/a/b"
