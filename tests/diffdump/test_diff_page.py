"""The pages of `diffdump --html` show what differs, and nothing that they show becomes markup."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pages import Page
from products import AFTER, BEFORE, dump

pytestmark = pytest.mark.django_db

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)></table><!-- rows -->\x1b[31m\u202e"
)


def written(first: Path, second: Path, page: Path, *, status: int = 1) -> str:
    """Write the page of two dumps, and return what is printed."""
    out = StringIO()
    ends = pytest.raises(SystemExit, match=str(status)) if status else nullcontext()
    with ends:
        call_command("diffdump", str(first), str(second), html=page, stdout=out)
    return out.getvalue()


def test_the_summary_comes_before_the_rows(two: tuple[Path, Path], tmp_path: Path) -> None:
    written(*two, tmp_path / "diff.html")
    text = Page(tmp_path / "diff.html").text
    assert "The dumps differ in 1 model." in text
    assert text.index("Fields of one dump only") < text.index("Primary key")


def test_both_values_of_a_field_that_differs_are_side_by_side(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    written(*two, tmp_path / "diff.html")
    text = (tmp_path / "diff.html").read_text(encoding="utf-8")
    before, after = (
        '<td class="before"><code>1.00</code></td>',
        '<td class="after"><code>7.00</code></td>',
    )
    assert f'<td class="field">price</td>{before}{after}' in text


def test_a_row_that_one_dump_has_is_shown_with_its_values(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    written(*two, tmp_path / "diff.html")
    text = Page(tmp_path / "diff.html").text
    assert "name 'Axe' price 2.00" in text.partition("2 removed")[2]
    assert "name 'Bolt' price 4.00" in text.partition("4 added")[2]


def test_the_counts_are_printed_and_the_rows_are_not(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    said = written(*two, tmp_path / "diff.html")
    assert said.split() == ["shop.Product", "1", "removed,", "1", "added,", "1", "changed"]


def test_dumps_that_do_not_differ_give_a_page_that_says_so(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    written(two[0], two[0], tmp_path / "diff.html", status=0)
    assert "The dumps do not differ." in Page(tmp_path / "diff.html").text


def test_a_hostile_dump_cannot_inject_markup(two: tuple[Path, Path], tmp_path: Path) -> None:
    plain = tmp_path / "plain.html"
    written(*two, plain)
    hostile = [(key, HOSTILE + name, price) for key, name, price in BEFORE]
    changed = [(key, "&lt;b&gt;" + HOSTILE + name, price) for key, name, price in AFTER]
    page = tmp_path / "hostile.html"
    written(dump(two[0], *hostile), dump(tmp_path / "<i>b&quot;.py", *changed), page)
    assert set(Page(page).elements) <= set(Page(plain).elements)
    assert Page(page).attributes <= Page(plain).attributes
    assert Page(page).comments == []
    assert not set(page.read_text(encoding="utf-8")) & {"\x1b", "\u202e"}


def test_a_page_needs_no_script_and_no_network(two: tuple[Path, Path], tmp_path: Path) -> None:
    written(*two, tmp_path / "diff.html")
    page = Page(tmp_path / "diff.html")
    assert not {"script", "link", "img", "iframe", "object"} & {*page.elements}
    assert not {"src", "href"} & page.attributes
    assert "url(" not in (tmp_path / "diff.html").read_text(encoding="utf-8")


def test_more_rows_than_a_page_shows_are_counted(tmp_path: Path) -> None:
    many = [(key, "Nail", Decimal(1)) for key in range(1, 1251)]
    first, second = dump(tmp_path / "a.py", *many), dump(tmp_path / "b.py", (1, "Nail", Decimal(1)))
    written(first, second, tmp_path / "diff.html")
    page = Page(tmp_path / "diff.html")
    assert "… and 1,049 more rows." in page.text
    assert page.text.count("removed") - page.text.count("1249 removed") <= 202


@pytest.mark.slow
def test_the_memory_that_a_page_takes_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        many = [(key, "Nail" * 20, Decimal(1)) for key in range(1, count)]
        first, second = dump(tmp_path / "a.py", *many), dump(tmp_path / "b.py", (0, "N", None))
        tracemalloc.start()
        written(first, second, tmp_path / "diff.html")
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(500)
    assert peak(20_000) < peak(10_000) + 500_000


def test_a_page_that_cannot_be_written_is_one_sentence(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "nowhere" / "diff.html"
    with pytest.raises(CommandError) as caught:
        written(*two, page)
    assert str(caught.value) == f"The page {page} cannot be written: No such file or directory."
    assert caught.value.returncode == 2


def test_a_comparison_that_fails_leaves_the_page_that_was_there(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    page = tmp_path / "diff.html"
    page.write_text("before")
    two[1].write_text(two[1].read_text().replace("'Bolt'", "Bolt"))
    with pytest.raises(CommandError, match="Bolt"):
        written(*two, page)
    assert page.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.py", "b.py", "diff.html"]
