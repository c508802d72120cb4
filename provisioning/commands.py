"""``tegata roster``, ``orders`` and ``ca``: the badge desk's paperwork on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..apdu.errors import InputError, language
from .ca import CompanyCa
from .keyring import read_passphrase
from .ledger import Line, Order
from .orders import create_order
from .printing import print_json, print_table, say
from .profile import load_profile
from .roster import RosterError, read_roster
from .workplace import CA_PROMPT, ca_folder, open_ledger

__all__ = ["ca", "orders", "roster"]

FILE = click.Path(dir_okay=False, path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_database = click.option(
    "--database", envvar="TEGATA_DATABASE", help="Ledger file or URL (default: ledger.db in TEGATA_HOME)."
)
_folder = click.option(
    "--ca", "folder", envvar="TEGATA_CA", help="Folder of the company CA (default: ca in TEGATA_HOME)."
)


@click.group()
def roster() -> None:
    """Read employees from an HR export.

    The CSV may be UTF-8 or cp932 (Windows Japanese) with Japanese or English headers; needed are employee
    number, name, romaji and both ends of validity. All faults are reported together and nothing is stored
    unless all of it is right.
    """


@roster.command("import")
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Check the file and store nothing.")
@_database
@_json
def roster_import(file: Path, dry_run: bool, database: str | None, as_json: bool) -> int:
    """Check FILE and remember its employees.

    \b
    Exit codes: 118 the roster has faults (all are listed), 117 unknown encoding,
    119 a column looks like 個人番号 (My Number), 41 and 42 the file cannot be read.
    """
    try:
        found = read_roster(file)
    except RosterError as error:
        _report_faults(error, as_json)
        return error.exit_code
    if not dry_run:
        with open_ledger(database).begin() as books:
            books.put_employees(found.employees)
    count, holders = len(found.employees), sum(one.card == "holder" for one in found.employees)
    if as_json:
        print_json(
            {
                "employees": count,
                "holder_cards": holders,
                "encoding": found.encoding,
                "ignored_columns": list(found.ignored),
                "stored": not dry_run,
            }
        )
        return 0
    say(
        f"{count} employees, {holders} with a card of their own; the file is {found.encoding}.",
        f"社員 {count} 名 (うち本人のカード {holders} 名)、文字コードは {found.encoding} です。",
    )
    if found.ignored:
        say(f"Columns not used: {', '.join(found.ignored)}", f"使わない列: {'、'.join(found.ignored)}")
    if dry_run:
        say("Nothing was stored.", "保存はしていません。")
    return 0


def _report_faults(error: RosterError, as_json: bool) -> None:
    if as_json:
        problem = {
            "code": error.code,
            "exit_code": error.exit_code,
            "sentence": error.sentence(),
            "next_step": error.next_step(),
        }
        print_json(problem | {"faults": [fault.to_json() for fault in error.faults]})
        return
    click.echo(error.sentence(), err=True)
    for fault in error.faults:
        click.echo(f"  {fault.sentence(language())}", err=True)
    click.echo(error.next_step(), err=True)


@click.group()
def orders() -> None:
    """Badges to be made: create an order from a roster and a profile, list and follow it."""


@orders.command("create")
@click.option("--roster", "roster_file", type=FILE, required=True, help="The HR export (CSV).")
@click.option("--profile", "profile_file", type=FILE, required=True, help="The badge profile (TOML).")
@click.option("--label", default="", help="A name for people, e.g. 'April 2026'.")
@_database
@_json
def orders_create(
    roster_file: Path, profile_file: Path, label: str, database: str | None, as_json: bool
) -> None:
    """Order a badge for every employee of a roster.

    What will be written on each card is settled now. The same roster with the same profile gives the
    order that exists already.
    """
    profile = load_profile(profile_file)
    ledger = open_ledger(database)
    order, new = create_order(ledger, read_roster(roster_file), profile, label)
    with ledger.read() as books:
        counts = books.line_counts(order.id)
        rejected = books.lines(order.id, states=("rejected",))
    if as_json:
        print_json({"order": order.id, "new": new, "lines": counts})
        return
    total = sum(counts.values())
    if new:
        say(f"Order {order.id}: {total} badges.", f"発行依頼 {order.id}: {total} 件です。")
    else:
        say(f"This is order {order.id} already.", f"この内容は発行依頼 {order.id} として登録済みです。")
    for line in rejected:
        say(
            f"  {line.employee} was rejected: {line.reason}",
            f"  {line.employee} は受け付けません: {line.reason}",
        )


@orders.command("list")
@_database
@_json
def orders_list(database: str | None, as_json: bool) -> None:
    """List all orders with the states of their lines."""
    with open_ledger(database).read() as books:
        found = [(order, books.line_counts(order.id)) for order in books.orders()]
    if as_json:
        print_json([_order_json(order) | {"lines": counts} for order, counts in found])
        return
    headers = (
        ("order", "依頼"),
        ("label", "名称"),
        ("created", "作成"),
        ("badges", "件数"),
        ("states", "状態"),
    )
    rows = [
        (
            order.id,
            order.label,
            order.created.astimezone().strftime("%Y-%m-%d %H:%M"),
            sum(counts.values()),
            ", ".join(f"{state} {count}" for state, count in sorted(counts.items())),
        )
        for order, counts in found
    ]
    print_table(headers, rows)


@orders.command("show")
@click.argument("order_id", type=int)
@_database
@_json
def orders_show(order_id: int, database: str | None, as_json: bool) -> None:
    """Show the lines of one order: who, which card, how far."""
    ledger = open_ledger(database)
    with ledger.read() as books:
        order = books.order(order_id)
        lines = books.lines(order_id)
        names = {line.employee: books.employee_name(line.employee) for line in lines}
    if as_json:
        print_json(_order_json(order) | {"lines": [_line_json(line) for line in lines]})
        return
    headers = (
        *(
            ("line", "行"),
            ("number", "社員番号"),
            ("name", "氏名"),
            ("card", "カード"),
            ("until", "有効期限"),
        ),
        *(("state", "状態"), ("reason", "理由")),
    )
    print_table(
        headers,
        [
            (
                *(line.id, line.employee, names[line.employee], line.card_kind, line.payload["valid_until"]),
                *(line.state, line.reason),
            )
            for line in lines
        ],
    )


@orders.command("audit")
@_database
@_json
def orders_audit(database: str | None, as_json: bool) -> None:
    """Check that no row of the audit chain was altered or taken out.

    Write the last row's number and hash down elsewhere: they show later that nothing was cut off the end.

    \b
    Exit codes: 47 the chain is broken; the message names the row.
    """
    seq, last = open_ledger(database).check_audit()
    if as_json:
        print_json({"rows": seq, "hash": last})
        return
    say(f"{seq} rows, whole; the last is {last}.", f"{seq} 行に異常はありません。最終行: {last}")


def _order_json(order: Order) -> dict[str, Any]:
    return {
        "order": order.id,
        "label": order.label,
        "profile": order.profile["name"],
        "revision": order.profile["revision"],
        "created": order.created.isoformat(),
    }


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "line": line.id,
        "position": line.position,
        "employee": line.employee,
        "card_kind": line.card_kind,
        "valid_from": line.payload["valid_from"],
        "valid_until": line.payload["valid_until"],
        "state": line.state,
        "reason": line.reason,
        "card": line.card_id,
    }


@click.group()
def ca() -> None:
    """The company's certificate authority for employee IDs.

    Its keys are encrypted under the passphrase of the key ring.
    """


@ca.command("init")
@click.option("--organization", required=True, help="The company's name in certificates.")
@click.option(
    "--base-url", required=True, help="Where CRL and OCSP will be found, e.g. http://pki.example.jp"
)
@_folder
def ca_init(organization: str, base_url: str, folder: str | None) -> None:
    """Make root and issuing CA.

    The addresses stand in every certificate from the first one on and cannot be changed in those issued.
    """
    path = ca_folder(folder)
    with read_passphrase(CA_PROMPT, confirm=True) as passphrase:
        CompanyCa.create(path, passphrase, organization=organization, base_url=base_url)
    say(f"The company CA is in {path}.", f"社内認証局を {path} に作りました。")


@ca.command("crl")
@click.argument("output", type=FILE)
@_folder
@_database
def ca_crl(output: Path, folder: str | None, database: str | None) -> None:
    """Write the present certificate revocation list (DER) to OUTPUT."""
    with read_passphrase(CA_PROMPT) as passphrase:
        authority = CompanyCa.open(ca_folder(folder), passphrase)
    data = authority.crl(open_ledger(database))
    try:
        output.write_bytes(data)
    except OSError as error:
        raise InputError("input.file", path=str(output), what=error.strerror) from error
    say(f"Wrote {output}.", f"{output} に書き出しました。")


@ca.command("revoke")
@click.argument("serial")
@click.option(
    "--reason", default="unspecified", show_default=True, help="A reason of RFC 5280, e.g. key_compromise."
)
@_folder
@_database
def ca_revoke(serial: str, reason: str, folder: str | None, database: str | None) -> None:
    """Revoke the certificate with SERIAL (hex); write a new list with `tegata ca crl` afterwards."""
    with read_passphrase(CA_PROMPT) as passphrase:
        authority = CompanyCa.open(ca_folder(folder), passphrase)
    authority.revoke(open_ledger(database), _serial(serial), reason)
    say("The certificate is revoked.", "証明書を失効させました。")


def _serial(text: str) -> int:
    try:
        return int(text.replace(":", ""), 16)
    except ValueError as error:
        raise InputError("ca.refused", what="a serial number that is not hex") from error
