"""The commands of docs/reference/pkcs11.md, as a reader types them after one another."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tegata.simulators import presets

from .softhsm import SoftToken

pytestmark = pytest.mark.foreign

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "pkcs11.md"
DEBIAN = "/usr/lib/softhsm/libsofthsm2.so"


def test_the_commands_of_the_reference_page(tmp_path: Path) -> None:
    block = re.search(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    commands = [line.removeprefix("$ ") for line in block[1].splitlines()]
    token = SoftToken.create(tmp_path / "hsm")
    presets.create("company-card", tmp_path / "card.sim")
    variables = {
        **os.environ,
        **token.environment,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "TEGATA_HOME": str(tmp_path / "home"),
        "TEGATA_READER": f"sim:{tmp_path / 'card.sim'}",
        "TEGATA_PKCS11_PIN_FILE": str(token.folder / "pin"),
    }
    for script in (commands, [commands[0], commands[-1]]):  # on a finished card the last changes nothing
        text = "\n".join(("set -euo pipefail", *script)).replace(DEBIAN, str(token.module))
        ran = subprocess.run(["bash", "-c", text], env=variables, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        if script is commands:
            listed = [line.split("\t")[:4] for line in ran.stdout.splitlines()]
    assert ["badges", "aes", "256", "master"] in listed
    assert ["field", "3des", "128", "master"] in listed
