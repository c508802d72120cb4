"""What an application of the simulated card sees of the card, and what the card sees of it.

An ``Application`` is a stateless object; its state lives in the ``Context`` that the OPEN hands it:
non-volatile ``nv`` (private to the instance), ``clear_on_deselect`` and ``clear_on_reset`` (Java Card
Runtime Environment §5.1), randomness, and the services of its security domain's channel. Values kept in
volatile memory must be immutable, since a step is a pure function that works on a shallow copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from ...apdu.command import Command, Response
from .cvm import GlobalPin
from .memory import CODE, Free, free_memory
from .registry import RegistryEntry, entries, entry_key

if TYPE_CHECKING:
    from .kernel import Machine
    from .policy import CardPolicy

__all__ = ["Application", "CardStatus", "Context", "DomainContext", "SecureMessaging", "Storage"]


class CardStatus(Exception):
    """Ends the processing of a command with a status word, as ISOException does."""

    def __init__(self, sw: int, data: bytes = b"") -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw
        self.data = data


class Storage:
    """The private non-volatile memory of one application instance: names to bytes.

    Every ``put`` and ``delete`` is one write of the card, and so a point where power may be lost. A write
    with ``atomic=True`` (the default) is old or new after a tear; ``atomic=False`` may leave the first bytes
    new and the rest old, as a plain array copy does. Writes inside ``Context.transaction()``
    become visible together.
    """

    def __init__(self, machine: Machine, prefix: str) -> None:
        self._machine = machine
        self._prefix = prefix

    def get(self, name: str, default: bytes = b"") -> bytes:
        return self._machine.read(self._prefix + name, default)

    def __contains__(self, name: str) -> bool:
        return self._machine.has(self._prefix + name)

    def put(self, name: str, value: bytes, *, atomic: bool = True) -> None:
        self._machine.write(self._prefix + name, bytes(value), atomic=atomic)

    def delete(self, name: str) -> None:
        if name in self:
            self._machine.write(self._prefix + name, None, atomic=True)

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin with ``prefix``, sorted."""
        whole = self._prefix + prefix
        cut = len(self._prefix)
        return sorted(key[cut:] for key in self._machine.view() if key.startswith(whole))


class SecureMessaging:
    """What a security domain's channel offers to an application and to the OPEN.

    The state of the channel lives in the OPEN's channel memory (``Context.channel_state``); a domain's
    implementation (``simulators.apps.security_domain``) is stateless like every application.
    """

    def covers(self, ctx: DomainContext, command: Command) -> bool:
        """Whether ``command`` goes through the channel, or would open one."""
        return False

    def unwrap(self, ctx: DomainContext, command: Command) -> Command:
        """The plain command; raises CardStatus and ends the channel when its MAC is wrong."""
        raise CardStatus(0x6882)

    def wrap(self, ctx: DomainContext, response: Response) -> Response:
        """The response as it leaves the card in this channel."""
        return response

    def decrypt(self, ctx: DomainContext, data: bytes) -> bytes:
        """``data`` decrypted under the channel's DEK, for a target of personalisation (GPC 2.3.1 §7.3.2)."""
        raise CardStatus(0x6985)

    def level(self, ctx: DomainContext) -> int:
        """Security level: 80 authenticated, 01 C-MAC, 02 C-DECRYPTION, 10 R-MAC, 20 R-ENCRYPTION; 0 none."""
        return 0


class Context:
    """The card as one application instance sees it during one command."""

    def __init__(self, machine: Machine, entry: RegistryEntry, channel: int) -> None:
        self._machine = machine
        self.entry = entry
        self.channel = channel
        self.nv = Storage(machine, f"app/{entry.aid.hex()}/")

    @property
    def aid(self) -> bytes:
        return self.entry.aid

    @property
    def clear_on_deselect(self) -> MutableMapping[str, Any]:
        """Volatile memory of this instance, lost when another application is selected."""
        return self._machine.deselect_memory(self.entry.aid, self.channel)

    @property
    def clear_on_reset(self) -> MutableMapping[str, Any]:
        """Volatile memory of this instance, lost at reset and power-off only."""
        return self._machine.reset_memory(self.entry.aid)

    @property
    def policy(self) -> CardPolicy:
        return self._machine.policy

    @property
    def contactless(self) -> bool:
        return self._machine.ram.contactless

    @property
    def contact_atr(self) -> bytes:
        """The ATR that the card gives at its contacts."""
        return self._machine.read("card/atr-contact", b"")

    @property
    def security_level(self) -> int:
        """Security level under which the current command arrived; 0 outside a secure channel."""
        return self._machine.command_level

    def random(self, count: int) -> bytes:
        """``count`` bytes of the card's random generator."""
        return self._machine.entropy(count)

    def spend(self, operation: str, count: int = 1) -> None:
        """Account for work that takes card time: an operation named in ``costs.toml``."""
        self._machine.spend(operation, count)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Writes inside are all kept or all lost (Java Card Runtime Environment §7). Not nested."""
        with self._machine.transaction():
            yield

    @property
    def cvm(self) -> GlobalPin:
        """The global PIN of the card, as this application may use it."""
        return GlobalPin(Storage(self._machine, "cvm/"), self._machine.ram, self.entry)

    @property
    def life_cycle(self) -> int:
        return self.entry.life_cycle

    def set_life_cycle(self, value: int) -> None:
        """Set the application's own life cycle (GPSystem.setCardContentState)."""
        self.entry = self.entry.with_(life_cycle=value)
        self._machine.write(entry_key(self.entry.aid), self.entry.to_bytes(), atomic=True)

    def decrypt(self, data: bytes) -> bytes:
        """Ask the channel of this application's security domain to decrypt under its DEK.

        Raises CardStatus 6985 outside a personalisation over that domain's channel.
        """
        return self._machine.decrypt_for(self.entry, self.channel, data)


class DomainContext(Context):
    """What a security domain sees beyond an ordinary application: the registry and its own channel."""

    @property
    def channel_state(self) -> Any:
        """The secure channel of this logical channel, or None; an immutable object of the domain."""
        return self._machine.channel_state(self.channel, self.entry.aid)

    @channel_state.setter
    def channel_state(self, value: Any) -> None:
        self._machine.set_channel_state(self.channel, self.entry.aid, value)

    @property
    def personalization_target(self) -> bytes | None:
        """AID that STORE DATA is handed to, set by INSTALL [for personalization]."""
        return self._machine.channel(self.channel).target

    @personalization_target.setter
    def personalization_target(self, aid: bytes | None) -> None:
        self._machine.channel(self.channel).target = aid

    def registry(self) -> list[RegistryEntry]:
        return entries(self._machine.view())

    def find(self, aid: bytes) -> RegistryEntry | None:
        raw = self._machine.read(entry_key(aid), b"")
        return RegistryEntry.from_bytes(raw) if raw else None

    def put_entry(self, entry: RegistryEntry) -> None:
        """Add an entry (its ``order`` is given here) or replace one, as one write."""
        known = self.find(entry.aid)
        if known is None:
            entry = entry.with_(order=1 + max((other.order for other in self.registry()), default=0))
        else:
            entry = entry.with_(order=known.order)
        self._machine.write(entry_key(entry.aid), entry.to_bytes(), atomic=True)
        if entry.aid == self.entry.aid:
            self.entry = entry

    def in_use(self, aid: bytes) -> bool:
        """Whether the application is selected on any logical channel."""
        return self._machine.selected_anywhere(aid)

    def erase(self, aid: bytes) -> None:
        """Remove an entry, its code and the memory of its instance, inside a transaction.

        It must not be :meth:`in_use`: a channel's volatile memory would serve the next instance of that AID.
        """
        self._machine.forget_volatile(aid)
        own = Storage(self._machine, f"app/{aid.hex()}/")
        for name in own.names():
            own.delete(name)
        self.code.delete(aid.hex())
        self._machine.write(entry_key(aid), None, atomic=True)

    @property
    def code(self) -> Storage:
        """Load files as they were loaded, by the AID of their package in hex."""
        return Storage(self._machine, CODE)

    def used_by(self, aid: bytes) -> int:
        """Bytes of non-volatile memory that an application uses."""
        own = Storage(self._machine, f"app/{aid.hex()}/")
        return sum(len(own.get(name)) for name in own.names())

    def free_memory(self) -> Free | None:
        """Bytes that are free, or None for a card that does not count."""
        return free_memory(self._machine.view())

    def application(self, aid: bytes) -> tuple[Application, Context]:
        """Another application and its context, to install or personalise it. Raises CardStatus 6A88."""
        return self._machine.application(aid, self.channel)

    def card_get(self, name: str) -> bytes:
        """A datum of the card itself (``cplc``, ``card-life-cycle`` …)."""
        return self._machine.read("card/" + name, b"")

    def card_put(self, name: str, value: bytes | None) -> None:
        """Write a datum of the card itself; None removes it."""
        self._machine.write("card/" + name, value, atomic=True)


class Application:
    """Base of all simulated applications. Subclasses are stateless; ``model`` is their registry name."""

    model: ClassVar[str] = ""
    reselect_keeps_state: ClassVar[bool] = False
    opens_channels: ClassVar[bool] = False
    """Whether a host may open its domain's secure channel while it is selected: the commands that do so (with
    CLA 80 and 84) go to the domain then, as SecureChannel.processSecurity has it."""

    def install(self, ctx: Context, parameters: bytes) -> None:
        """Called once by INSTALL [for install] with the C9 parameters, inside its transaction.

        Raise CardStatus to refuse: nothing of the instance is left then.
        """

    def select(self, ctx: Context, command: Command) -> Response:
        """Called on SELECT by AID; returns the FCI. Raise CardStatus to refuse the selection."""
        return Response()

    def process(self, ctx: Context, command: Command) -> Response:
        """Any other command while this application is selected; plain, reassembled, channel bits cleared."""
        raise CardStatus(0x6D00)

    def missed_select(self, ctx: Context) -> None:
        """Called on the selected application when a SELECT by AID finds nothing or is refused."""

    def personalize(self, ctx: Context, command: Command) -> Response:
        """A plain STORE DATA handed on by the security domain (GPC 2.3.1 §7.3.2)."""
        raise CardStatus(0x6985)

    def secure_messaging(self) -> SecureMessaging | None:
        """The channel service, for security domains only."""
        return None


Entropy = Callable[[int], bytes]
Memory = Mapping[str, bytes]
