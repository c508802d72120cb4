"""Tokens of SoftHSM2 in folders of their own, and modules that misbehave around it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

SOFTHSM = "libsofthsm2.so"
FOLDERS = (
    *("/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm"),
    *("/usr/lib64/pkcs11", "/usr/local/lib/softhsm", "/opt/homebrew/lib/softhsm"),
)
PIN, SO_PIN = "13579-badge", "24680-officer"


def softhsm_module() -> Path:
    """Where SoftHSM's module lies."""
    for folder in FOLDERS:
        if (path := Path(folder, SOFTHSM)).exists():
            return path
    raise FileNotFoundError(f"{SOFTHSM} is in none of {', '.join(FOLDERS)}")


@dataclass(frozen=True)
class SoftToken:
    """One initialised token; ``environment`` leads SoftHSM to it."""

    folder: Path
    label: str
    module: Path

    @classmethod
    def create(cls, folder: Path, label: str = "badges") -> SoftToken:
        (folder / "tokens").mkdir(parents=True)
        (folder / "pin").touch(mode=0o600)
        (folder / "pin").write_text(f"{PIN}\n")
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = DEBUG\n"
        )
        token = cls(folder, label, softhsm_module())
        token.add(label)
        return token

    def add(self, label: str) -> None:
        """One more token in the same place."""
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        command += ["--so-pin", SO_PIN, "--pin", PIN]
        environment = {**os.environ, **self.environment}
        subprocess.run(command, env=environment, check=True, capture_output=True)

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def url(self, *, module: Path | None = None, query: str = "") -> str:
        """The key ring's URL, its PIN in a file."""
        options = (
            f"module-path={quote(str(module or self.module))}&pin-source={quote(str(self.folder / 'pin'))}"
        )
        return f"pkcs11:token={quote(self.label)}?{options}{query}"

    def objects(self) -> str:
        """What pkcs11-tool of OpenSC sees, logged in."""
        command = ["pkcs11-tool", "--module", self.module, "--token-label", self.label, "--login"]
        environment = {**os.environ, **self.environment}
        command += ["--pin", PIN, "--list-objects"]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


FAULTY = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* The list of functions of PKCS #11 2.40: a version, then pointers in the order of the standard. */
enum { INITIALIZE = 0, TOKEN_INFO = 6, LOGIN = 18, DERIVE = 62, COUNT = 68 };
enum { FLAGS = 96, FINAL_TRY = 0x20000, LOCKED = 0x40000 }; /* of CK_TOKEN_INFO */
static struct { unsigned char version[2]; void *call[COUNT]; } list;
typedef unsigned long (*derive)(unsigned long, void *, unsigned long, void *, unsigned long, unsigned long *);
static derive real;
static int exists(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("FAULTS"), name);
    return access(path, F_OK) == 0;
}
static unsigned long faulty(unsigned long s, void *m, unsigned long k, void *t, unsigned long n,
                            unsigned long *out) {
    puts("a module that talks to standard output");
    fflush(stdout);
    if (exists("hang")) for (;;) sleep(1);
    if (exists("crash")) abort();
    if (exists("removed")) return 0x32; /* CKR_DEVICE_REMOVED */
    if (exists("session")) return 0xB3; /* CKR_SESSION_HANDLE_INVALID */
    if (exists("mechanism")) return 0x70; /* CKR_MECHANISM_INVALID */
    return real(s, m, k, t, n, out);
}
static unsigned long (*token_info)(unsigned long, void *);
static unsigned long flagged(unsigned long slot, void *info) {
    unsigned long result = token_info(slot, info), *flags = (unsigned long *) ((char *) info + FLAGS);
    if (exists("final")) *flags |= FINAL_TRY;
    if (exists("locked")) *flags |= LOCKED;
    return result;
}
static unsigned long (*login)(unsigned long, unsigned long, void *, unsigned long);
static unsigned long counted(unsigned long s, unsigned long user, void *pin, unsigned long length) {
    char path[4096];
    snprintf(path, sizeof path, "%s/login", getenv("FAULTS"));
    fclose(fopen(path, "w"));
    return login(s, user, pin, length);
}
static unsigned long stuck(void *arguments) { for (;;) sleep(1); }
unsigned long C_GetFunctionList(void **out) {
    void *library = dlopen(getenv("REAL_MODULE"), RTLD_NOW);
    unsigned long (*get)(void **) = (unsigned long (*)(void **)) dlsym(library, "C_GetFunctionList");
    void *found;
    unsigned long result = get(&found);
    memcpy(&list, found, sizeof list);
    real = (derive) list.call[DERIVE];
    list.call[DERIVE] = (void *) faulty;
    *(void **) &token_info = list.call[TOKEN_INFO];
    list.call[TOKEN_INFO] = (void *) flagged;
    *(void **) &login = list.call[LOGIN];
    list.call[LOGIN] = (void *) counted;
    if (exists("stuck")) list.call[INITIALIZE] = (void *) stuck;
    *out = &list;
    return result;
}
"""


def faulty_module(folder: Path) -> Path:
    """SoftHSM behind a layer that fails as the files in ``$FAULTS`` say, above all in C_DeriveKey; it leaves
    a file ``login`` there when C_Login was called."""
    source, module = folder / "faulty.c", folder / "faulty.so"
    source.write_text(FAULTY)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", module, source, "-ldl"], check=True)
    return module
