"""Installing, moving, altering and deleting on a card (GPC 2.3.1 §9.3 to §9.6, §11.2, §11.5).

Every function takes the security domain whose channel is open; it sends its command, with a token where the
domain's authority makes tokens, checks the receipt and tells the registry what has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...apdu.errors import CardError
from .delegation import CheckedReceipt
from .domain import Domain
from .model import SSD_MODULE, SSD_PACKAGE, Privilege, requests
from .model.parameters import DomainParameters, InstallParameters
from .model.requests import Request
from .results import RegisteredKind

__all__ = [
    "DOMAIN_PACKAGES",
    "create_domain",
    "delete",
    "extradite",
    "find_domain_module",
    "install",
    "make_selectable",
    "send",
    "update",
]

DOMAIN_PACKAGES = (
    (SSD_PACKAGE, SSD_MODULE),
    (bytes.fromhex("A0000000035350"), bytes.fromhex("A000000003535041")),
)
"""Packages from which supplementary security domains are made, and their module: newer and older cards."""


def send(domain: Domain, request: Request) -> CheckedReceipt | None:
    """Send an INSTALL or DELETE with its token; the receipt when the card gives one."""
    command = request.command(domain.authority.token_for(request))
    return domain.authority.check(domain.card.expect(command).data, request)


def parameters_of(domain: Domain, given: bytes | InstallParameters, *, own: bool) -> bytes:
    """The parameters field: ``given`` as the content of ``C9``, or whole, with the token's reference."""
    if isinstance(given, bytes):
        given = InstallParameters(given, for_application=own or bool(given))
    if given.reference is None and domain.authority.reference is not None:
        given = InstallParameters(
            given.application, given.system, domain.authority.reference, given.for_application
        )
    return bytes(given)


def install(
    domain: Domain,
    package: bytes,
    module: bytes,
    instance: bytes,
    *,
    privileges: Privilege = Privilege.NONE,
    parameters: bytes | InstallParameters = b"",
    selectable: bool = True,
) -> CheckedReceipt | None:
    """INSTALL [for install], and [for make selectable] unless told otherwise."""
    raw = parameters_of(domain, parameters, own=True)
    request = requests.install_request(package, module, instance, privileges, raw, selectable=selectable)
    domain_made = bool(privileges & Privilege.SECURITY_DOMAIN)
    domain.contents.changed(instance, RegisteredKind.DOMAIN if domain_made else RegisteredKind.APPLICATION)
    return send(domain, request)


def make_selectable(
    domain: Domain,
    instance: bytes,
    *,
    privileges: Privilege = Privilege.NONE,
    package: bytes = b"",
) -> CheckedReceipt | None:
    """INSTALL [for make selectable]; ``privileges`` CARD_RESET makes it the default application.

    ``package`` is needed where a receipt is checked.
    """
    raw = parameters_of(domain, b"", own=False)
    request = requests.make_selectable_request(instance, privileges, raw, package=package)
    _alters(domain, instance)
    return send(domain, request)


def extradite(domain: Domain, aid: bytes, to: bytes, *, origin: bytes | None = None) -> CheckedReceipt | None:
    """INSTALL [for extradition] of an application or package to the domain ``to``.

    ``origin`` is the domain that it belongs to, this one unless told otherwise.
    """
    raw = parameters_of(domain, b"", own=False)
    request = requests.extradition_request(origin or domain.aid, aid, to, raw)
    _alters(domain, aid)
    return send(domain, request)


def update(
    domain: Domain,
    aid: bytes,
    *,
    privileges: Privilege | None = None,
    to: bytes = b"",
    origin: bytes = b"",
    parameters: bytes | InstallParameters = b"",
) -> CheckedReceipt | None:
    """INSTALL [for registry update]: other privileges, another domain, other parameters."""
    raw = parameters_of(domain, parameters, own=False)
    request = requests.update_request(aid, privileges, raw, old=origin, new=to)
    _alters(domain, aid)
    return send(domain, request)


def delete(domain: Domain, aids: Sequence[bytes], *, related: bool = False) -> list[CheckedReceipt]:
    """DELETE, one command for each AID, in the order given; with ``related`` a package's instances too.

    StatusError 6A88: it is not there. 6985: a package that still has applications.
    """
    found = []
    for aid in aids:
        request = requests.delete_request([aid], related=related, reference=domain.authority.reference)
        command = request.command(domain.authority.token_for(request))
        _alters(domain, aid, related=related)
        response = domain.card.expect(command)
        domain.contents.gone(aid, related=related)
        receipt = domain.authority.check(response.data, request)
        found += [receipt] if receipt is not None else []
    return found


def _alters(domain: Domain, aid: bytes, *, related: bool = False) -> None:
    """Said before the command is sent: an exchange that breaks off may have changed the card as well."""
    domain.contents.changed(aid)
    if related:
        for line in domain.contents.known():
            if line.package == aid:
                domain.contents.changed(line.aid)


def find_domain_module(domain: Domain) -> tuple[bytes, bytes]:
    """Package and module on this card to make domains from. Raises CardError ``gp.no_domain_package``."""
    for package, module in DOMAIN_PACKAGES:
        line = domain.contents.find(package, RegisteredKind.PACKAGE)
        if line is not None:
            own = [aid for aid in line.modules if aid == module] or list(line.modules[:1])
            return package, own[0] if own else module
    raise CardError("gp.no_domain_package")


def create_domain(
    domain: Domain,
    aid: bytes,
    *,
    package: bytes = b"",
    module: bytes = b"",
    privileges: Privilege = Privilege.SECURITY_DOMAIN,
    parameters: DomainParameters | bytes = b"",
) -> CheckedReceipt | None:
    """Make a supplementary security domain; package and module are found on the card unless given."""
    if not package or not module:
        package, module = find_domain_module(domain)
    return install(
        domain,
        package,
        module,
        aid,
        privileges=privileges | Privilege.SECURITY_DOMAIN,
        parameters=bytes(parameters),
    )
