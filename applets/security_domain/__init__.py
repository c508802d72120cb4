"""GlobalPlatform security domains: the card's own manager of applications and keys (GPC 2.3.1 §7, §11)."""
