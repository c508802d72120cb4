"""The host's side of a security domain (GPC 2.3.1 §11): one front for what the modules beside it do.

Keys stay in the key ring: references, session keys and cryptograms are all that passes here. ``content``
installs and deletes, ``loading`` loads, ``personalization`` stores data, ``keys`` puts keys, ``life_cycle``
locks, ``registry`` lists, ``discovery`` reads what anybody may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...apdu.command import Response
from ...apdu.ports import KeyRef, KeyRing, KeySet
from ...apdu.tlv import Tlv
from . import content, keys, life_cycle, loading, personalization
from .delegation import CheckedReceipt
from .domain import Domain, Progress
from .loading import Load
from .model import Privilege
from .model.dgi import Dgi
from .model.parameters import DomainParameters, InstallParameters
from .personalization import Encryption, Structure, key_set_groupings

__all__ = ["Encryption", "SecurityDomain", "Structure", "key_set_groupings"]


class SecurityDomain(Domain):
    """A security domain with everything that can be done to it, one method a job.

    Methods raise StatusError when the card refuses, MalformedResponse when it lies, CardRemoved when it goes.
    """

    def load(self, what: Load, *, progress: Progress | None = None) -> CheckedReceipt | None:
        """:func:`loading.load`."""
        return loading.load(self, what, progress=progress)

    def install(
        self,
        package: bytes,
        module: bytes,
        instance: bytes,
        *,
        privileges: Privilege = Privilege.NONE,
        parameters: bytes | InstallParameters = b"",
        selectable: bool = True,
    ) -> CheckedReceipt | None:
        """INSTALL [for install and make selectable]; ``parameters`` in bytes become the content of ``C9``."""
        return content.install(
            self,
            package,
            module,
            instance,
            privileges=privileges,
            parameters=parameters,
            selectable=selectable,
        )

    def make_selectable(
        self, instance: bytes, *, privileges: Privilege = Privilege.NONE, package: bytes = b""
    ) -> CheckedReceipt | None:
        """INSTALL [for make selectable] of an instance that is only installed, or to make it the default."""
        return content.make_selectable(self, instance, privileges=privileges, package=package)

    def create_domain(
        self,
        aid: bytes,
        *,
        package: bytes = b"",
        module: bytes = b"",
        privileges: Privilege = Privilege.SECURITY_DOMAIN,
        parameters: DomainParameters | bytes = b"",
    ) -> CheckedReceipt | None:
        """:func:`content.create_domain`."""
        return content.create_domain(
            self, aid, package=package, module=module, privileges=privileges, parameters=parameters
        )

    def extradite(self, aid: bytes, domain: bytes, *, origin: bytes | None = None) -> CheckedReceipt | None:
        """INSTALL [for extradition]: give an application or package of this domain to another."""
        return content.extradite(self, aid, domain, origin=origin)

    def update_registry(
        self,
        aid: bytes,
        *,
        privileges: Privilege | None = None,
        to: bytes = b"",
        origin: bytes = b"",
        parameters: bytes | InstallParameters = b"",
    ) -> CheckedReceipt | None:
        """INSTALL [for registry update]: :func:`content.update`."""
        return content.update(self, aid, privileges=privileges, to=to, origin=origin, parameters=parameters)

    def delete(self, *aids: bytes, related: bool = False) -> list[CheckedReceipt]:
        """DELETE applications and packages; with ``related`` the applications of a package go too.

        StatusError 6A88: it is not there. 6985: a package that still has applications.
        """
        return content.delete(self, aids, related=related)

    def set_locked(self, aid: bytes, *, locked: bool, with_applications: bool = False) -> None:
        """SET STATUS of an application or supplementary domain."""
        life_cycle.set_locked(self, aid, locked=locked, with_applications=with_applications)

    def set_card_state(self, state: int) -> None:
        """SET STATUS of the card: 07 initialized, 0F secured, 7F locked, FF terminated (for ever)."""
        life_cycle.set_card_state(self, state)

    # data and keys

    def install_for_personalization(self, instance: bytes) -> None:
        """From now on STORE DATA reaches ``instance`` of this domain, until the last block."""
        personalization.begin(self, instance)

    def store_data(
        self,
        groupings: Iterable[Dgi],
        *,
        encryption: Encryption = Encryption.APPLICATION_DEPENDENT,
        answer: bool = False,
        progress: Progress | None = None,
    ) -> Response:
        """Data groupings to the domain itself, or to the target of :meth:`install_for_personalization`."""
        return personalization.store_data(
            self, groupings, encryption=encryption, answer=answer, progress=progress
        )

    def store_objects(self, objects: Iterable[Tlv]) -> Response:
        """Data objects of the domain itself, such as IIN ``42`` and CIN ``45``, as BER-TLV."""
        return personalization.store_objects(self, objects)

    def put_key_set(self, ring: KeyRing, key_set: KeySet, *, replace: int = 0) -> None:
        """PUT KEY of a whole set, added (``replace`` 0) or instead of version ``replace``."""
        keys.put_key_set(self, ring, key_set, replace=replace)

    def put_key(self, ring: KeyRing, key: KeyRef, kid: int, *, replace: int = 0) -> None:
        """PUT KEY of one symmetric key: token, receipt, DAP."""
        keys.put_key(self, ring, key, kid, replace=replace)

    def put_public_key(self, key: keys.PublicKey, version: int, kid: int, *, replace: int = 0) -> None:
        """PUT KEY of a public RSA or EC key that verifies tokens or load files."""
        keys.put_public_key(self, key, version, kid, replace=replace)

    def delete_key_set(self, version: int, *, last: bool = False) -> None:
        """DELETE all keys of a version; ``last`` allows the only set. StatusError 6A88: not there."""
        keys.delete_keys(self, version=version, last=last)

    def delete_key(self, version: int, kid: int) -> None:
        """DELETE one key."""
        keys.delete_keys(self, version=version, kid=kid)

    def key_set_groupings(self, ring: KeyRing, key_set: KeySet) -> Sequence[Dgi]:
        """The first key set of a domain below this one, encrypted for this channel."""
        return key_set_groupings(ring, key_set, self.dek)
