"""What is wrong in a bundle is told with its file, line and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ringstead.tenancy.bundles import BundleError, read_bundle

Writer = Callable[..., Path]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('slug = "first"', 'slug = "First!"', "organizations[0].slug: use 1 to 40 lower-case"),
        ('extension = "215"', "extension = 215", 'organizations[0].subscribers[1].extension: must be text'),
        ('extension = "215"', 'extension = "214"', "organizations[0].subscribers[1].extension: 214 is used twice"),
        ('{ extension = "215", name', "{ name", "organizations[0].subscribers[1].extension: is missing"),
        ('color = "#0b6068"', 'color = "teal"', "brand.color: must be a colour of the form #rrggbb"),
        ('color = "#0b6068"', 'colour = "#0b6068"', "brand.colour: unknown"),
        ('logo = "logo.svg"', 'logo = "../logo.svg"', "brand.logo: must be the name of a file beside"),
        ('logo = "logo.svg"', 'logo = "none.svg"', "brand.logo: none.svg cannot be read: No such file"),
        ('"America/New_York"', '"Mars/Olympus"', "partner.time_zone: use a time zone of the IANA"),
        ('locale = "en"', 'locale = "klingon"', "partner.locale: use a language"),
        ('role = "partner_admin"', 'role = "boss"', 'staff[0].role: must be "partner_admin" or "partner_support"'),
        ("portal = [", "portals = [", "hosts.portals: is not known here; did you mean portal?"),
        ("features.sample = true", "feature.sample = true", "organizations[0].feature: is not known here"),
        ("features.sample = true", 'features.sample = "yes please"', "organizations[0].features.sample:"),
        ("features.sample = true", "features.SAMPLE = true", "organizations[0].features.SAMPLE: use a plugin"),
        ('portal = ["', 'portal = ["http://', "hosts.portal[0]: use a host name without scheme"),
        ('name = "Front desk"', 'name = "Front desk", number = "0800"', "organizations[0].subscribers[1].number: use"),
        ('name = "Front desk"', 'name = " "', "organizations[0].subscribers[1].name: must not be empty"),
        ('slug = "second"', 'slug = "first"', "organizations[1].slug: first is used twice"),
        ('password = "only in the demo"', 'password = "short"', "demo.password:"),
        ("features.sample = true", "features.sample = 1",
         "organizations[0].features.sample: must be true, false or the last day of a trial"),
        ('name = "Sample"', "name = [1]", "partner.name: must be text in quotes"),
        ('name = "Sample"', "name = 2026-11-01", 'partner.name: must be text in quotes, such as "2026-11-01"'),
        ('name = "Sample"', 'name = "Sample"\nhosts = 5', "partner.hosts: is not known; known: slug, name, locale"),
        ('portal = ["', 'portal = "x"  # ["', "hosts.portal: must be a list in brackets, such as"),
        ("features.sample = true", "features = 7", "organizations[0].features: must be a table, such as"),
        ('{ extension = "215", name = "Front desk" }', "7", "organizations[0].subscribers[1]: must be a table"),
        ('logo = "logo.svg"', 'logo = "logo.svg"\nradius = 99', "brand.radius: must be 0 to 16"),
        ('name = "Second"', 'name = "Second"\nhours.mon = "9 to 5"',
         "organizations[1].hours.mon: use periods such as 9-12"),
        ('name = "Second"', 'name = "Second"\nhours.monday = "9-5"', "organizations[1].hours.monday: is not known"),
        ('name = "Second"', 'name = "Second"\nholidays.christmas = ""',
         "organizations[1].holidays.christmas: use a date"),
        ('name = "Second"', 'name = "Second"\nsubscriber_limit = -1',
         "organizations[1].subscriber_limit: must be 0 or more"),
        ('name = "Second"', 'name = "Second"\nsubscriber_limit = "5"',
         "organizations[1].subscriber_limit: must be a whole number"),
        ('name = "Second"', 'title = "Second"', "organizations[1].title: is not known; known: slug"),
        ('name = "Second"', 'name = "Second"\nhosts.sip = ["no host"]',
         "organizations[1].hosts.sip[0]: use a host name"),
        ('name = "Second"', 'name = "Second"\nteams = [{ slug = "a", name = "A", leads = ["1"] }]',
         "organizations[1].teams[0].leads[0]: use 2 to 10 digits"),
        ('{ extension = "215"', '{ location = "Nowhere!", extension = "215"',
         "organizations[0].subscribers[1].location: use 1"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_and_key(write: Writer, old: str, new: str, said: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_bundle(write((old, new)))
    lines = (write() / "partner.toml").read_text().splitlines()
    line = max(number for number, text in enumerate(lines, 1) if new.strip().splitlines()[-1] in text)
    assert any(f"partner.toml, line {line}, {said}" in problem for problem in refused.value.problems), (
        line,
        refused.value.problems,
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[staff]]", "[[staff]", "line 18, column 8: is not TOML: Expected ']]'"),
        (
            'slug = "second"',
            'slug = "second"\nslug = "third"',
            "line 36, column 15: is not TOML: Cannot overwrite",
        ),
        ('name = "Second"\n', 'name = "Second', "line 36: is not TOML: "),
        ('name = "Second"\n', "teams = [", "line 36: is not TOML: "),
        ("[partner]", "[partner]\x00", "line 1, column 10: is not TOML: "),
    ],
)
def test_a_file_that_is_not_toml_names_the_line(write: Writer, old: str, new: str, said: str) -> None:
    with pytest.raises(BundleError) as refused:
        read_bundle(write((old, new)))
    assert f"partner.toml, {said}" in str(refused.value)


def test_lines_are_told_below_texts_and_lists_of_many_lines(write: Writer) -> None:
    """Of all problems at once, in the order of the file; for what is missing, of the table that lacks it."""
    folder = write(
        (
            'name = "Second"',
            'name = """\nSecond\n"""\ncolour = 1\n\n[[organizations]]\n\n[[organizations]]\nname = "x"',
        ),
        ('name = "Juno Example"', 'name = ""'),
    )
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    told = [problem.partition("partner.toml, ")[2].partition(": ")[0] for problem in refused.value.problems]
    assert told == [
        "line 30, organizations[0].subscribers[0].name",
        "line 39, organizations[1].colour",
        "line 41, organizations[2].slug",
        "line 41, organizations[2].name",
        "line 44, organizations[3].slug",
    ]


def test_lines_are_told_where_other_tables_stand_between_those_of_a_list(write: Writer) -> None:
    folder = write(
        ("[demo]\n", '[[staff]]\nname = "Early"\nemail = "early@example.com"\nrole = "boss"\n\n[demo]\n')
    )
    with pytest.raises(BundleError, match=r"line 18, staff\[0\]\.role: must be"):
        read_bundle(folder)
    folder = write(
        ('role = "boss"', 'role = "partner_support"'), ('role = "partner_admin"', 'role = "chief"')
    )
    with pytest.raises(BundleError, match=r"line 26, staff\[1\]\.role: must be"):
        read_bundle(folder)


def test_many_errors_of_a_large_file_are_told_soon(write: Writer) -> None:
    people = ",\n".join(f'{{ extension = "{n}", name = "" }}' for n in range(1000, 4000))
    folder = write(('name = "Second"', f'name = "Second"\nsubscribers = [\n{people}\n]'))
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    assert len(refused.value.problems) == 3000
    assert "line 3037, organizations[1].subscribers[2999].name: " in refused.value.problems[-1]
    assert str(refused.value).endswith("and 2980 more")


def test_all_errors_are_told_at_once(write: Writer) -> None:
    folder = write(('slug = "first"', 'slug = "F"'), ('slug = "second"', 'slug = "S"'), ("#0b6068", "x"))
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    assert len(refused.value.problems) == 3


def test_one_address_is_one_person(write: Writer, slug: str) -> None:
    with pytest.raises(BundleError, match=r"is Tansy Example elsewhere; one address is one person"):
        read_bundle(write((f"Juno@{slug}", f"tansy@{slug}")))


def test_a_logo_with_a_script_is_refused(write: Writer) -> None:
    folder = write()
    (folder / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><script/></svg>'
    )
    with pytest.raises(BundleError, match=r"brand.logo: line 1: the element “script” is not taken"):
        read_bundle(folder)


def test_the_folder_has_the_slug_as_its_name(write: Writer, slug: str) -> None:
    folder = write().rename(write().with_name("elsewhere"))
    with pytest.raises(BundleError, match=rf"line 2, partner.slug: is {slug}, but the folder is elsewhere"):
        read_bundle(folder)


def test_a_bundle_may_be_named_from_within(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write())
    assert read_bundle(Path(".")).brand.logo is not None


def test_a_logo_is_a_small_file_of_the_bundle(write: Writer, tmp_path: Path) -> None:
    logo = write() / "logo.svg"

    def refusal() -> str:
        with pytest.raises(BundleError) as refused:
            read_bundle(logo.parent)
        return str(refused.value)

    logo.rename(tmp_path / "secret.svg")
    logo.symlink_to(tmp_path / "secret.svg")
    assert "brand.logo: logo.svg cannot be read: it is a link" in refusal()
    logo.unlink()
    os.mkfifo(logo)
    assert "brand.logo: logo.svg cannot be read: it is no regular file" in refusal()
    logo.unlink()
    with logo.open("wb") as stream:
        stream.truncate(10**12)  # takes no room on the disk, and would take a terabyte of memory
    assert (
        "brand.logo: logo.svg cannot be read: it has 1000000000000 bytes, at most 524288 are read"
        in refusal()
    )


def test_a_file_that_is_too_large_or_none_is_refused(write: Writer) -> None:
    file = write() / "partner.toml"
    with file.open("r+b") as stream:
        stream.truncate(10**12)
    with pytest.raises(BundleError, match="it has 1000000000000 bytes, at most 16777216 are read"):
        read_bundle(file.parent)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(BundleError, match="it is no regular file"):
        read_bundle(file.parent)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'[partner]\nname = "\xe9"'])
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "partner.toml").write_bytes(raw)
    with pytest.raises(BundleError, match="is not UTF-8"):
        read_bundle(tmp_path)


def test_a_folder_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"a bundle is a folder with a partner\.toml"):
        read_bundle(tmp_path)
