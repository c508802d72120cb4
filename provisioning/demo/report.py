"""``report.html`` and the final table: what an IT manager reads after the demo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from ...simulators.card.clock import cost_model
from ..issuance import DoorAnswer
from .desk import Badge
from .portal import PortalJob

__all__ = ["Estimate", "Visit", "averages", "estimate", "summary", "write_report"]

BADGES, READERS, HANDLING_SECONDS = 2000, 4, 20
TORN = {
    "what_ja": "書き込みの途中でカードが離れた",
    "what_en": "the card was taken away in the middle of a write",
    "recovery_ja": "同じカードを置き直し、同じコマンドで完成",
    "recovery_en": "the same card put back, the same command, finished",
}
KILLED = {
    "what_ja": "発行中のプロセスが強制終了 (SIGKILL) された",
    "what_en": "the issuing process was killed (SIGKILL)",
    "recovery_ja": "同じコマンドをもう一度実行して完成",
    "recovery_en": "the same command run again, finished",
}
FAILURES = {"torn": TORN, "killed": KILLED}
KINDS = {
    "company": ("会社カード", "company card", "発行", "issued"),
    "holder": ("マイナンバーカード", "My Number Card", "紐付け", "bound"),
}
JOBS = {
    "login": ("ログイン (利用者証明用、送信型)", "login (authentication key, pushed)", "トークンを検証"),
    "signature": ("PDF の署名 (署名用、持参型)", "signed PDF (signature key, carried)", "署名を検証"),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One badge at a door."""

    badge: Badge
    answer: DoorAnswer


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hours for ``BADGES`` badges on ``READERS`` readers: card time and an assumed handling time each."""

    hours: float
    handling: int = HANDLING_SECONDS


def averages(badges: Sequence[Badge]) -> tuple[float, float]:
    """APDUs and virtual card seconds of an issued badge, over those that nothing interrupted."""
    plain = [badge for badge in badges if badge.kind == "company" and not badge.interrupted]
    return (
        sum(badge.apdus for badge in plain) / len(plain),
        sum(badge.seconds for badge in plain) / len(plain),
    )


def estimate(badges: Sequence[Badge]) -> Estimate:
    _, seconds = averages(badges)
    return Estimate(BADGES * (seconds + HANDLING_SECONDS) / READERS / 3600)


def summary(badges: Sequence[Badge], counts: dict[str, int]) -> dict[str, Any]:
    """The figures of the last lines, for people and for ``--json``."""
    apdus, seconds = averages(badges)
    return {
        **counts,
        "apdus_per_badge": round(apdus, 1),
        "virtual_seconds_per_badge": round(seconds, 3),
        "cost_model": cost_model().name,
        "hours_for_2000_badges_on_4_readers": round(estimate(badges).hours, 1),
    }


def write_report(
    folder: Path,
    badges: Sequence[Badge],
    counts: dict[str, int],
    doors: Sequence[Visit],
    jobs: Sequence[PortalJob],
) -> Path:
    """Write ``report.html`` (Japanese and English) into ``folder``."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    template = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    apdus, seconds = averages(badges)
    model = cost_model()
    page = environment.from_string(template).render(
        made_at=datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M"),
        version=version("tegata"),
        simulated_ja="模擬カードによる実演",
        simulated_en="a demonstration on simulated cards",
        counts=counts,
        averages={"apdus": apdus, "seconds": seconds},
        estimate={"hours": estimate(badges).hours, "handling": HANDLING_SECONDS},
        failures=[{"card": b.line.employee, **FAILURES[b.interrupted]} for b in badges if b.interrupted],
        badges=[_badge_row(badge) for badge in badges],
        doors=[_door_row(visit) for visit in doors],
        portal=[_portal_row(job) for job in jobs],
        cost={"name": model.name, "sources": sorted(model.sources.items())},
        directory=folder.name,
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _badge_row(badge: Badge) -> dict[str, Any]:
    card_ja, card_en, result_ja, result_en = KINDS[badge.kind]
    return {
        "number": badge.line.employee,
        "name": badge.line.payload["employee"]["name"],
        "card_ja": card_ja,
        "card_en": card_en,
        "result_ja": result_ja + ("(復旧)" if badge.interrupted else ""),
        "result_en": result_en + (", recovered" if badge.interrupted else ""),
        "apdus": badge.apdus,
        "bytes": badge.bytes,
        "link": badge.link,
        "crypto": badge.crypto,
        "write": badge.write,
        "seconds": badge.seconds,
    }


def _door_row(visit: Visit) -> dict[str, Any]:
    return {
        "number": visit.answer.record.badge_number,
        "card": " / ".join(KINDS[visit.badge.kind][:2]),
        "granted": visit.answer.decision.granted,
        "reason": str(visit.answer.decision.reason),
    }


def _portal_row(job: PortalJob) -> dict[str, Any]:
    ja, en, result = JOBS[job.name]
    return {"ja": ja, "en": en, "ok": True, "result": f"{result} / verified", "file": job.file.name}
